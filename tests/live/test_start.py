"""How the daemon starts, refuses to start, and stops, as the shell sees it."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scrapy_do.client.http import DaemonClient
from scrapy_do.demo.daemon import daemon
from scrapy_do.demo.run import PROJECT, PROJECT_DIR, pack
from tests.live.running import running, until

SERVE = [sys.executable, "-m", "scrapy_do", "serve"]


def _refused(*words: str) -> str:
    """Run a daemon that must not start; return the sentence that it ends with."""
    ended = subprocess.run(
        [*SERVE, *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout) == (1, ""), ended.stderr
    assert "Traceback" not in ended.stderr
    *_, error, hint = ended.stderr.splitlines()
    assert hint.startswith(("  try:   scrapy-do serve", "  try:   scrapy-do db restore --data-dir"))
    return error


@pytest.mark.live
def test_a_second_daemon_is_refused(tmp_path: Path) -> None:
    """The port and the data directory belong to the first; it goes on undisturbed."""
    data = tmp_path / "data"
    with daemon(data, port=0, options={}) as url:
        host, port = url.removeprefix("http://").split(":")
        other = str(tmp_path / "other")
        error = _refused("--data-dir", other, "--listen", f"{host}:{port}")
        expected = (
            f"error: [web] interfaces: cannot listen on {host}:{port}: Address already in use; "
            "stop what uses it, or choose another port"
        )
        assert error.startswith(expected)
        error = _refused("--data-dir", str(data), "--listen", "127.0.0.1:0")
        assert error.startswith(f"error: {data} belongs to another daemon")
        assert DaemonClient(url).get("/status.json", {})["status"] == "ok"


@pytest.mark.live
def test_a_data_directory_that_is_none_is_refused(tmp_path: Path) -> None:
    """A path that cannot be a directory is named in one sentence."""
    path = tmp_path / "file"
    path.touch()
    assert _refused("--data-dir", str(path), "--listen", "127.0.0.1:0") == (
        f"error: {path}: File exists"
    )


@pytest.mark.live
def test_a_public_address_is_refused(tmp_path: Path) -> None:
    """Nothing listens on a public address without authentication."""
    error = _refused("--data-dir", str(tmp_path), "--listen", "0.0.0.0:0")
    assert error.startswith("error: [web] interfaces: 0.0.0.0:0 can be reached from other machines")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.live
def test_a_zone_for_no_order_is_refused(tmp_path: Path) -> None:
    """A zone that no order could be given in is named, and nothing is made."""
    config = tmp_path / "config"
    config.write_text("[scrapy-do]\ntimezone = EST\n")
    data = tmp_path / "data"
    assert _refused("--config", str(config), "--data-dir", str(data)) == (
        "error: [scrapy-do] timezone: 'EST' must be an IANA name, such as Europe/Warsaw, "
        "no abbreviation"
    )
    assert not data.exists()


@pytest.mark.live
def test_a_stopped_daemon_can_be_started_again(tmp_path: Path) -> None:
    """A plain stop ends in good order, and the next start finds what there was."""
    archive = tmp_path / "quotesbot.zip"
    pack(PROJECT_DIR, archive)
    data, log = tmp_path / "data", tmp_path / "daemon.log"
    with daemon(data, port=0, options={}) as url:
        DaemonClient(url).push(archive)
    assert "Main loop terminated" in log.read_text()
    with daemon(data, port=0, options={}) as url:
        projects = DaemonClient(url).get("/list-projects.json", {})
    assert (projects["status"], projects["projects"]) == ("ok", [PROJECT])
    assert "Traceback" not in log.read_text()


@pytest.mark.live
def test_a_lost_database_is_refused(tmp_path: Path) -> None:
    """A daemon whose database is gone does not start, says what to do, and harms nothing."""
    data, away = tmp_path / "data", tmp_path / "away"
    where = ["--data-dir", str(data)]
    archive = tmp_path / "quotesbot.zip"
    pack(PROJECT_DIR, archive)
    with daemon(data, port=0, options={}) as url:
        DaemonClient(url).push(archive)
    (data / "scrapy-do.db").rename(away)

    error = _refused(*where, "--listen", "127.0.0.1:0")
    packed = list(data.glob("archives/packed/*"))
    words = [*SERVE[:-1], "db", "restore", str(away), *where]
    restored = subprocess.run(words, capture_output=True, text=True, check=True)

    assert error.startswith(f"error: the database {data}/scrapy-do.db is missing, but the data dir")
    assert "`scrapy-do db restore`" in error
    assert "`scrapy-do serve --new`" in error
    assert len(packed) == 1
    assert restored.stdout == f"restored: {away}\n"
    with daemon(data, port=0, options={}) as url:
        assert DaemonClient(url).get("/list-projects.json", {})["projects"] == [PROJECT]


@pytest.mark.live
def test_the_pages_open_once(tmp_path: Path) -> None:
    """With --open a browser is shown the pages when they answer, but not by a start in place."""
    seen = tmp_path / "seen"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" >> {seen}\n')
    browser.chmod(0o700)
    with running(tmp_path, options={"BROWSER": str(browser)}, words=["--open"]) as one:
        until(seen.exists, "the browser")
        one.signal(signal.SIGUSR2)
        assert "listening on" in one.line()
    assert seen.read_text() == f"{one.url}/ui/\n"
