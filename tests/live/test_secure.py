"""A daemon behind authentication and HTTPS, with real certificates and real curl."""

import datetime as dt
import signal
import socket
import ssl
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.live.running import PROJECTS, Running, pack, running, until

pytestmark = pytest.mark.live

TOKEN = "a-token-of-more-than-twenty-characters"


def certificate(root: Path, name: str) -> None:
    """Write a key and a certificate for localhost, made out to a name."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (root / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (root / "key.pem").chmod(0o600)
    (root / "cert.pem").write_bytes(made.public_bytes(pem))


def status(daemon: Running, *words: str) -> str:
    """Return the HTTP status that curl gets, with some words more on its command line."""
    return daemon.curl("/status.json", "-o", "/dev/null", "-w", "%{http_code}", *words)


def test_authentication(tmp_path: Path) -> None:
    """With authentication on, nothing but health is told without credentials."""
    users = tmp_path / "auth.db"
    users.write_text("ann:secret\n")
    users.chmod(0o600)
    options = {
        "SCRAPY_DO_WEB_AUTH": "on",
        "SCRAPY_DO_WEB_AUTH_DB": str(users),
        "SCRAPY_DO_WEB_TOKEN": TOKEN,
    }

    with running(tmp_path, options=options) as daemon:
        statuses = {
            "nobody": status(daemon),
            "wrong": status(daemon, "-u", "ann:wrong"),
            "user": status(daemon, "-u", "ann:secret"),
            "token": status(daemon, "-H", f"Authorization: Bearer {TOKEN}"),
            "key": status(daemon, "-u", f"{TOKEN}:"),
        }
        health = daemon.curl("/healthz")

    assert {
        "nobody": "401",
        "wrong": "401",
        "user": "200",
        "token": "200",
        "key": "200",
    } == statuses
    assert health == '{"status": "ok"}\n'
    assert TOKEN not in daemon.log.read_text()


@pytest.mark.parametrize("digest", ["on", "off"])
def test_digest(tmp_path: Path, digest: str) -> None:
    """Curl logs in by digest where that is on, for GET and for a push; a wrong password never."""
    users = tmp_path / "auth.db"
    users.touch(0o600)
    users.write_text("ann:secret\n")
    options = {
        "SCRAPY_DO_WEB_AUTH": "on",
        "SCRAPY_DO_WEB_AUTH_DB": str(users),
        "SCRAPY_DO_WEB_AUTH_DIGEST": digest,
    }
    code = ("-o", "/dev/null", "-w", "%{http_code} ", "--digest", "-u")
    archive = pack(PROJECTS / "good", tmp_path)

    with running(tmp_path, options=options) as daemon:
        right = daemon.curl("/list-projects.json", *code, "ann:secret")
        two = f"{daemon.url}/status.json"
        both = daemon.curl("/list-projects.json", *code, "ann:secret", "-o", "/dev/null", two)
        wrong = daemon.curl("/list-projects.json", *code, "ann:wrong")
        pushed = daemon.curl("/push-project.json", *code, "ann:secret", "-F", f"archive=@{archive}")
        basic = daemon.curl("/list-projects.json", *code[:-2], "-u", "ann:secret")

    good = "200 " if digest == "on" else "401 "
    assert (good, 2 * good, good) == (right, both, pushed)
    assert ("401 ", "200 ") == (wrong, basic)


def test_reading_again(tmp_path: Path) -> None:
    """SIGHUP reads API keys, certificates and options again and says so; if wrong, all stays."""
    certificate(tmp_path, "first")
    users, config = tmp_path / "auth.db", tmp_path / "scrapy-do.conf"
    users.touch(0o600)
    users.write_text("ann:secret\n")
    keys = tmp_path / "keys"
    keys.touch(0o600)
    first = (
        f"[web]\nauth = on\nauth-db = {users}\napi-keys = {keys}\nhttps = on\n"
        f"key = {tmp_path}/key.pem\ncert = {tmp_path}/cert.pem\n"
    )
    config.write_text(first)

    def reread(words: str) -> str:
        daemon.signal(signal.SIGHUP)

        def look() -> str | None:
            said = daemon.log.read_text()[len(heard) :]
            return said if words in said else None

        return until(look, words)

    def may(key: str) -> bool:
        words = ("-k", "-u", f"{key}:", "-o", "/dev/null", "-w", "%{http_code}")
        return daemon.curl("/api/scrapyd/listprojects.json", *words) == "200"

    with running(tmp_path, words=["--config", str(config)]) as daemon:
        heard = daemon.log.read_text()
        before = [may("key-1"), may("key-2")]
        keys.write_text("bob key-2\n")
        certificate(tmp_path, "second")
        config.write_text(
            f"{first}[scrapy-do]\njob-slots = 9\ntimezone = Asia/Tokyo\n[project:a]\nslots = 1\n"
        )
        said = reread("takes effect")
        after = [may("key-1"), may("key-2")]
        slots = daemon.curl("/status.json", "-k", "-u", "ann:secret")
        heard = daemon.log.read_text()
        keys.write_text("nobody\n")
        keys_said = reread("stays in use")
        keys.write_text("bob key-2\n")
        heard = daemon.log.read_text()
        users.touch(0o600)
        users.write_text("ann:secret\n")
        users_said = reread("stays in use")
        heard = daemon.log.read_text()
        config.write_text("[web]\nbogus = 1\n")
        config_said = reread("stays in use")
        still = [may("key-1"), may("key-2")]

    assert [[False, False], [False, True], [False, True]] == [before, after, still]
    assert '"slots": 9' in slots
    assert "changed: [scrapy-do] job-slots, [project:a]" in said
    assert "takes effect at the next start only: [scrapy-do] timezone" in said
    assert "line 1" in keys_said
    assert "its users were taken over before. Remove it" in users_said
    assert "there is no such option" in config_said


def subject(daemon: Running, root: Path) -> str:
    """Return who the certificate is made out to that the daemon shows."""
    address = daemon.url.removeprefix("https://")
    done = subprocess.run(
        [
            "curl",
            "-sv",
            "--cacert",
            str(root / "cert.pem"),
            f"https://localhost:{address.split(':')[1]}/status.json",
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    (line,) = [line for line in done.stderr.splitlines() if "subject:" in line]
    return line.rsplit("=", 1)[1].strip()


def with_certificate(root: Path) -> dict[str, str]:
    """Return the options of a daemon with a certificate."""
    certificate(root, "one")
    return {
        "SCRAPY_DO_WEB_HTTPS": "on",
        "SCRAPY_DO_WEB_KEY": str(root / "key.pem"),
        "SCRAPY_DO_WEB_CERT": str(root / "cert.pem"),
    }


def agreed(daemon: Running, root: Path, version: ssl.TLSVersion, suites: str) -> str | None:
    """Return the suite that is agreed upon with a client of one version; None without one."""
    context = ssl.create_default_context(cafile=str(root / "cert.pem"))
    context.maximum_version = version
    context.minimum_version = version
    context.set_ciphers(suites)
    port = int(daemon.url.rsplit(":", 1)[1])
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=30) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as connection,
        ):
            cipher = connection.cipher()
    except (ssl.SSLError, ConnectionError):
        return None
    return None if cipher is None else cipher[0]


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")  # of the versions that are not spoken
def test_only_strong_suites_of_tls_are_spoken(tmp_path: Path) -> None:
    """TLS 1.2 and 1.3 with suites that nobody has to be ashamed of; browsers stay with HTTPS."""
    new, old, oldest = ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_1
    every = "ALL:@SECLEVEL=0"

    with running(tmp_path, options=with_certificate(tmp_path)) as daemon:
        assert str(agreed(daemon, tmp_path, new, every)).startswith("TLS_")
        for suite in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305"):
            name = f"ECDHE-ECDSA-{suite}"
            assert agreed(daemon, tmp_path, old, name) == name
        for suite in ("AES128-SHA", "AES256-SHA", "AES128-SHA256", "AES256-SHA384"):
            assert agreed(daemon, tmp_path, old, f"ECDHE-ECDSA-{suite}:@SECLEVEL=0") is None
        assert agreed(daemon, tmp_path, oldest, every) is None
        asked = ["curl", "-skI", f"{daemon.url}/healthz"]
        head = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=30).stdout
        assert "strict-transport-security: max-age=31536000" in head.lower().splitlines()


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660, 0o602])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    """The daemon does not start, and says what to do; a group may read it."""
    options = with_certificate(tmp_path)
    key = tmp_path / "key.pem"
    key.chmod(mode)
    daemon = Running(tmp_path, options=options)
    daemon.begin()

    assert daemon.wait() != 0
    assert f"{key} can be read or changed by others; run chmod 600 on it" in daemon.log.read_text()
    key.chmod(0o640)
    with running(tmp_path, options=options) as again:
        assert again.url.startswith("https://")


def test_https(tmp_path: Path) -> None:
    """HTTPS is spoken where it is on, and a renewed certificate is used without a restart."""
    options = with_certificate(tmp_path)
    certificate(tmp_path, "first")

    with running(tmp_path, options=options) as daemon:
        before = subject(daemon, tmp_path)
        certificate(tmp_path, "second")
        after = subject(daemon, tmp_path)

    assert daemon.url.startswith("https://127.0.0.1:")
    assert (before, after) == ("first", "second")
