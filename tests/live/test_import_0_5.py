"""What a daemon of Scrapy Do 0.5 has left is taken over by one that runs."""

import json
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

from scrapy_do.client.errors import Exit
from tests.client.commanding import Ended, check_error, check_hint, home, run
from tests.files.release_0_5 import CANCELED, PENDING, SCHEDULED, old_directory, row
from tests.live.running import PROJECTS, Running, running

pytestmark = pytest.mark.live


@pytest.fixture(name="daemon")
def _daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    with running(tmp_path) as daemon, home(monkeypatch, str(tmp_path), daemon.url):
        yield daemon


def _results(ended: Ended) -> list[tuple[str, str, str]]:
    return [(one["what"], one["name"], one["result"]) for one in json.loads(ended.out)]


def test_projects_and_orders_are_taken_over_once(
    daemon: Running, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Each project and order is told of; a second time nothing is doubled, nothing was touched."""
    rows = [
        row(1, SCHEDULED, "every monday at 09:30", description="weekly", payload='{"a": "ż"}'),
        row(2, SCHEDULED, "every 2 to 3 hours"),
        row(3, SCHEDULED, "every 2 to 3 hours"),
        row(4, CANCELED, "every hour"),
        row(5, PENDING, "now", payload='{"n": 1}'),
    ]
    directory = old_directory(tmp_path, rows, {"good": PROJECTS / "good"})
    before = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    words = ("db", "import-0.5", str(directory), "--tz", "Europe/Warsaw", "--json")
    first = run(capsys, *words)
    assert first.code == Exit.DONE, first
    pending = "good/noop 00000005-0000-4000-8000-000000000000"
    orders = [
        ("order", f"good/noop {when}")
        for when in ("every monday at 09:30", "every 2 to 3 hours", "every 2 to 3 hours")
    ]
    rest = [("job", pending, "left out"), ("jobs", "1 ended", "left out")]
    assert _results(first) == [
        ("project", "good", "taken"),
        *((*one, "taken") for one in orders),
        *rest,
    ]
    check_hint(json.loads(first.out)[4]["detail"].partition("to run it: ")[2])
    listed = daemon.ask("/list-schedules.json")["schedules"]
    assert sorted(
        (one["schedule"], one["timezone"], one["description"], one["payload"]) for one in listed
    ) == [
        ("every 2 to 3 hours", "Europe/Warsaw", "", "{}"),
        ("every 2 to 3 hours", "Europe/Warsaw", "", "{}"),
        ("every monday at 09:30", "Europe/Warsaw", "weekly", '{"a": "ż"}'),
    ]
    daemon.ask("/cancel-job.json", id=listed[0]["identifier"])
    second = run(capsys, *words)
    assert second.code == Exit.DONE, second
    assert _results(second) == [
        ("project", "good", "was there"),
        *((*one, "was there") for one in orders),
        *rest,
    ]
    assert len(daemon.ask("/list-schedules.json")["schedules"]) == 2
    assert daemon.ask("/list-jobs.json?status=ACTIVE")["jobs"][0]["status"] == "SCHEDULED"
    assert {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()} == before
    assert not (tmp_path / "pickle-was-opened").exists()


def test_what_is_refused_is_told_and_the_rest_is_taken(
    daemon: Running, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A broken project, an unknown spider and an order that cannot be kept stop nothing else."""
    rows = [
        row(1, SCHEDULED, "every hour", project="broken"),
        row(2, SCHEDULED, "every hour", spider="nobody"),
        row(3, SCHEDULED, "every 0 seconds"),
        row(4, SCHEDULED, "every hour", payload='{"a": NaN}'),
        row(5, SCHEDULED, "now"),
        row(6, SCHEDULED, "every hour"),
    ]
    projects = {"good": PROJECTS / "good", "broken": PROJECTS / "broken"}
    directory = old_directory(tmp_path, rows, projects)
    with ZipFile(directory / "bad name.zip", "w"):
        pass
    (directory / "no-archive.zip").mkdir()
    ended = run(capsys, "db", "import-0.5", str(directory))
    assert ended.code == Exit.FAILED
    told = [line.split("\t") for line in ended.out.splitlines()]
    assert [(one[1], one[2]) for one in told] == [
        ("bad name", "refused"),
        ("broken", "refused"),
        ("good", "taken"),
        ("no-archive", "refused"),
        ("broken/noop every hour", "refused"),
        ("good/nobody every hour", "refused"),
        ("good/noop every 0 seconds", "refused"),
        ("good/noop every hour", "refused"),
        ("good/noop now", "left out"),
        ("good/noop every hour", "taken"),
    ]
    assert told[1][3].startswith("Unable to get the list of spiders: ")
    assert told[5][3] == "Unknown spider good/nobody"
    assert ended.error == "7 of 10 could not be taken over; the rest is there"
    assert ended.hint == f"scrapy-do db import-0.5 {directory}"
    assert len(daemon.ask("/list-schedules.json")["schedules"]) == 1
    assert daemon.ask("/list-jobs.json?status=PENDING,RUNNING")["jobs"] == []


def test_nothing_is_half_done_without_a_daemon(
    daemon: Running, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """What is no directory of 0.5 and a daemon that is away are each one sentence."""
    check_error(run(capsys, "db", "import-0.5", str(daemon.data)), Exit.FAILED)
    directory = old_directory(tmp_path, [row(1, SCHEDULED, "every hour")])
    away = run(capsys, "db", "import-0.5", str(directory), "--url", "http://127.0.0.1:1")
    check_error(away, Exit.UNREACHABLE)
