"""Users and tokens of a daemon that runs: made, used, changed and revoked beside it."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from scrapinghub import ScrapinghubClient
from scrapinghub.client.exceptions import Forbidden, ScrapinghubAPIError

from tests.live.running import PROJECTS, Running, pack, running

pytestmark = pytest.mark.live

ADMIN = "ann:secret of ann"
FORM = ("-o", "/dev/null", "-w", "%{http_code}")


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Running]:
    users = tmp_path / "auth.db"
    users.touch(0o600)
    users.write_text("ann:secret of ann\n")
    options = {"SCRAPY_DO_WEB_AUTH": "on", "SCRAPY_DO_WEB_AUTH_DB": str(users)}
    with running(tmp_path, options=options) as daemon:
        yield daemon


Command = Callable[..., str]


@pytest.fixture
def command(daemon: Running) -> Command:
    """Run a command on the machine of the daemon."""

    def call(*words: str, said: str = "") -> str:
        clean = {name: text for name, text in os.environ.items() if "SCRAPY_DO" not in name}
        done = subprocess.run(
            [sys.executable, "-m", "scrapy_do", *words, "--data-dir", str(daemon.data)],
            input=said,
            capture_output=True,
            text=True,
            check=False,
            env=clean,
            timeout=30,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return call


def _status(daemon: Running, credentials: str, path: str = "/status.json") -> str:
    return daemon.curl(path, *FORM, "-u", credentials)


def test_changes_beside_the_daemon(daemon: Running, command: Command) -> None:
    """What a command makes is good at once, and what it takes away is not from then on."""
    assert _status(daemon, "ann:secret of ann") == "200"
    secret = command("token", "create", "ci", "--role", "read")
    events = subprocess.Popen(
        ["curl", "-sN", "-u", f"{secret}:", f"{daemon.url}/ui/events?of=jobs"],
        stdout=subprocess.PIPE,
    )
    assert events.stdout is not None
    assert events.stdout.readline()
    command("user", "add", "bob", "--password-stdin", said="secret of bob\n")
    assert [_status(daemon, one) for one in (f"{secret}:", "bob:secret of bob")] == ["200"] * 2

    command("token", "revoke", "ci", "--yes")
    command("user", "passwd", "bob", "--password-stdin", said="another one\n")
    command("user", "rm", "ann", "--yes")

    tried = (f"{secret}:", "bob:secret of bob", "bob:another one", "ann:secret of ann")
    assert [_status(daemon, one) for one in tried] == ["401", "401", "200", "401"]
    listed = json.loads(command("user", "list", "--json"))
    assert [one["user"] for one in listed] == ["bob"]
    assert events.wait(30) == 0  # with the next beat of the stream
    events.stdout.close()


def test_a_change_of_password_ends_sessions(daemon: Running, command: Command) -> None:
    """A cookie from before is worth nothing, nor is one that was logged out."""
    command("user", "add", "bob", "--password-stdin", said="secret of bob\n")

    def log_in(password: str) -> str:
        said = daemon.curl(
            "/ui/login", "-i", "--data-urlencode", "name=bob", "-d", f"password={password}"
        )
        (cookie,) = re.findall(r"(?im)^set-cookie: ([^;]+);(.*)", said)
        assert "HttpOnly" in cookie[1]
        assert "SameSite=Strict" in cookie[1]
        return str(cookie[0])

    def may(cookie: str) -> bool:
        return daemon.curl("/list-jobs.json?status=ACTIVE", *FORM, "-b", cookie) == "200"

    first, second = log_in("secret of bob"), log_in("secret of bob")
    assert first != second
    daemon.curl("/ui/logout", *FORM, "-b", first, "-X", "POST")
    after_logout = (may(first), may(second))
    command("user", "passwd", "bob", "--password-stdin", said="another one\n")

    assert after_logout == (False, True)
    assert not may(second)
    assert may(log_in("another one"))


def test_the_file_of_users_is_taken_over_once(daemon: Running, tmp_path: Path) -> None:
    """A start moves it away and needs it no more; one that comes later is refused."""
    users = tmp_path / "auth.db"
    assert not users.exists()
    assert "delete it, as it holds passwords in clear text" in daemon.log.read_text()
    daemon.stop()
    daemon.start()
    assert _status(daemon, "ann:secret of ann") == "200"
    daemon.stop()
    users.touch(0o600)
    users.write_text("eve:secret of eve\n")
    daemon.begin()
    assert daemon.wait() == 1
    said = daemon.log.read_text()
    assert "its users were taken over before. Remove it, and change users with" in said
    assert "secret of" not in said


def test_two_keys_of_the_official_client(daemon: Running, command: Command, tmp_path: Path) -> None:
    """Each sees its own project, runs there, and is refused at the other's, whatever it tries."""
    archive = pack(PROJECTS / "good", tmp_path)
    for name in ("one", "two"):
        daemon.curl(
            "/push-project.json", "-u", ADMIN, "-F", f"archive=@{archive}", "-F", f"name={name}"
        )
    keys = [
        command("token", "create", name, "--role", "run", "-p", name) for name in ("one", "two")
    ]

    def client(key: str) -> Any:
        return ScrapinghubClient(  # type: ignore[no-untyped-call]  # the library is untyped
            key, dash_endpoint=f"{daemon.url}/api/", endpoint=daemon.url
        )

    first, second = (client(key) for key in keys)
    job = first.get_project(1).jobs.run("noop")

    assert [one.projects.list() for one in (first, second)] == [[1], [2]]
    assert first.get_project(1).jobs.get(job.key).key == job.key
    attempts: tuple[Callable[[], Any], ...] = (
        lambda: second.get_project(1).jobs.run("noop"),
        second.get_project(1).spiders.list,
        lambda: second.get_job(job.key).metadata.get("spider"),
        second.get_job(job.key).cancel,
        lambda: second.get_project(1).settings.set("botgroups", ["x"]),
        lambda: second.get_project(1).collections.get_store("s").set({"_key": "a"}),
    )
    for attempt in attempts:
        with pytest.raises((Forbidden, ScrapinghubAPIError)):
            attempt()
    said = daemon.curl("/list-jobs.json?status=ACTIVE&status=COMPLETED", "-u", f"{keys[1]}:")
    assert json.loads(said)["jobs"] == []


def test_guessing(daemon: Running) -> None:
    """Of a thousand tries ten are looked at, also of many at once; curl is told when to come."""
    done = subprocess.run(
        [
            *("curl", "-s", "-Z", "--parallel-max", "40", "-u", "ann:wrong"),
            *("-o", "/dev/null", "-w", "%{http_code}\\n", f"{daemon.url}/status.json?[1-1000]"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    statuses = done.stdout.split()
    said = daemon.curl("/status.json", "-i", "-u", ADMIN)

    assert (statuses.count("401"), statuses.count("429")) == (10, 990)
    assert "429" in said.splitlines()[0]
    assert re.search(r"(?im)^retry-after: (5\d|6[01])\r?$", said)


def test_who_did_what_is_told(daemon: Running, command: Command, tmp_path: Path) -> None:
    """A push by a token, and the making of that token, stand there after a restart."""
    secret = command("token", "create", "ci", "--role", "push")
    archive = pack(PROJECTS / "good", tmp_path)
    daemon.curl("/push-project.json", "-u", f"{secret}:", "-F", f"archive=@{archive}")
    daemon.stop()
    daemon.start()
    lines = json.loads(daemon.curl("/ui/audit.json", "-u", ADMIN))["audit"]
    told = [(line["principal"], line["address"], line["action"]) for line in lines]
    assert ("ci", "127.0.0.1", "push") in told
    assert any(action == "token create" and not address for _, address, action in told)
    assert secret not in json.dumps(lines)
