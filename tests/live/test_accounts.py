"""Users and tokens of a daemon that runs: made, used, changed and revoked beside it."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.live.running import Running, running

pytestmark = pytest.mark.live

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
    command("user", "add", "bob", "--password-stdin", said="secret of bob\n")
    assert [_status(daemon, one) for one in (f"{secret}:", "bob:secret of bob")] == ["200"] * 2

    command("token", "revoke", "ci", "--yes")
    command("user", "passwd", "bob", "--password-stdin", said="another one\n")
    command("user", "rm", "ann", "--yes")

    tried = (f"{secret}:", "bob:secret of bob", "bob:another one", "ann:secret of ann")
    assert [_status(daemon, one) for one in tried] == ["401", "401", "200", "401"]
    listed = json.loads(command("user", "list", "--json"))
    assert [one["user"] for one in listed] == ["bob"]


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
