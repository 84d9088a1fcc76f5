"""The command-line client of Scrapy Do 0.5 works, every command of it.

It is installed from the package index into an environment of its own, once.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.live.compat import environment
from tests.live.running import PROJECTS, Running, running

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]  # the first run installs it

Client = Callable[..., str]


@pytest.fixture(scope="session")
def installed() -> Path:
    """Return where the original's commands are."""
    return environment("scrapy-do-0.5.0", "scrapy-do==0.5.0", "setuptools<81")


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path) as daemon:
        yield daemon


@pytest.fixture
def client(installed: Path, daemon: Running, tmp_path: Path) -> Client:
    def call(*words: str, status: int = 0) -> str:
        path = f"{installed}:{os.environ['PATH']}"  # it packs with the scrapy beside it
        done = subprocess.run(
            [str(installed / "scrapy-do-cl"), "--url", daemon.url, *words],
            cwd=tmp_path / "good",
            env={"HOME": str(tmp_path), "PATH": path},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert status == done.returncode, done.stdout + done.stderr
        return done.stdout

    shutil.copytree(PROJECTS / "good", tmp_path / "good")
    return call


def test_every_command(client: Client, daemon: Running) -> None:
    """Each of the nine commands does what it says, in an order that people use."""
    status = client("status")
    pushed = client("push-project", "--project-path", ".")
    projects = client("list-projects")
    spiders = client("list-spiders", "--project", "good")
    now = client(
        *("schedule-job", "--project", "good", "--spider", "noop", "--when", "now"),
        *("--description", "one", "--payload", '{"a": 1}'),
    )
    daemon.finished(_identifier(now))
    listed = client("list-jobs", "--status", "COMPLETED")
    one = client("list-jobs", "--job-id", _identifier(now))
    log = client("get-log", "--job-id", _identifier(now))
    out = client("get-log", "--job-id", _identifier(now), "--log-type", "out")
    order = client(
        *("schedule-job", "--project", "good", "--spider", "noop", "--when", "every 2 hours")
    )
    refused = client("remove-project", "--name", "good", status=1)
    cancelled = client("cancel-job", "--job-id", _identifier(order))
    removed = client("remove-project", "--name", "good")

    assert "| jobs-successful | 0" in status
    assert "| noop" in pushed
    assert "| good" in projects
    assert "| sleeper" in spiders
    assert "SUCCESSFUL" in listed
    assert "| one " in one
    assert "Spider closed (finished)" in log
    assert out.strip() == ""
    assert "[!] Server responded with an error: There are 1 scheduled spiders" in refused
    assert cancelled == "Canceled.\n"
    assert removed == "Removed.\n"
    assert client("list-projects") == "[i] No data to show.\n"


def test_login(installed: Path, tmp_path: Path) -> None:
    """Where digest is on the client logs in with the users that its own daemon had."""
    users = tmp_path / "auth.db"
    users.touch(0o600)
    users.write_text("ann:secret\n")
    options = {
        "SCRAPY_DO_WEB_AUTH": "on",
        "SCRAPY_DO_WEB_AUTH_DB": str(users),
        "SCRAPY_DO_WEB_AUTH_DIGEST": "on",
    }

    def call(url: str, password: str) -> subprocess.CompletedProcess[str]:
        words = ("--url", url, "--username", "ann", "--password", password, "list-projects")
        return subprocess.run(
            [str(installed / "scrapy-do-cl"), *words],
            env={"HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    with running(tmp_path, options=options) as daemon:
        right, wrong = call(daemon.url, "secret"), call(daemon.url, "wrong")

    assert (0, "[i] No data to show.\n") == (right.returncode, right.stdout), right.stderr
    assert wrong.returncode == 1


def test_errors(client: Client) -> None:
    """What the daemon refuses, the client shows, and exits with 1."""
    unknown = client("list-spiders", "--project", "zzz", status=1)
    job = client("cancel-job", "--job-id", "x", status=1)
    when = client(
        *("schedule-job", "--project", "a", "--spider", "b", "--when", "hourly"), status=1
    )

    assert unknown == "[!] Server responded with an error: Unknown project zzz\n"
    assert job == '[!] Server responded with an error: No such job: "x"\n'
    assert when.startswith("[!] Server responded with an error: ")


def _identifier(table: str) -> str:
    """Return the identifier in what `schedule-job` printed."""
    return table.splitlines()[3].strip("| ")
