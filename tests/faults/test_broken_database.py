"""A database that is gone from under the daemon ends it, and nothing else is lost."""

import subprocess
from pathlib import Path

import pytest

from tests.live.running import Running, running

pytestmark = [pytest.mark.live, pytest.mark.faults]


def test_database_moved_away(tmp_path: Path) -> None:
    """The daemon ends with status 1 and says why; put back, it goes on where it was."""
    daemon = Running(tmp_path)
    daemon.start()
    daemon.push("good", tmp_path)
    crawl = daemon.run("sleeper")
    daemon.until_status(crawl, "RUNNING")
    database = daemon.data / "scrapy-do.db"

    database.rename(tmp_path / "elsewhere")
    try:
        refused = daemon.ask("/list-projects.json")["status"]
    except subprocess.CalledProcessError:
        refused = "gone"  # it had noticed by itself
    status = daemon.wait()
    made = database.exists()
    (tmp_path / "elsewhere").rename(database)

    assert refused in {"error", "gone"}
    assert status == 1
    assert "was moved or removed" in daemon.log.read_text()
    assert not made
    with running(tmp_path) as following:
        assert following.job(crawl)["status"] == "RUNNING"
        following.ask("/cancel-job.json", id=crawl)
        assert following.job(crawl)["status"] == "CANCELED"
