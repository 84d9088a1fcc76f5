"""Runs that never were: in a database that a daemon takes, with records at their times."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scrapy_do.core.filter import JobFilter
from scrapy_do.core.job import Finished, Outcome
from scrapy_do.engine.seeding import TAG, TOLD, FormerRun, seed
from scrapy_do.errors import DataDirectoryInUse
from scrapy_do.files.artifacts import ArtifactStore
from scrapy_do.files.record_stats import RecordKind
from tests.faults.owned import Opened
from tests.http_client import completed

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)


def _run(day: int, *, failed: str = "") -> FormerRun:
    return FormerRun(
        spider="books",
        ended=NOW - timedelta(days=day),
        duration_s=10,
        items=[{"number": number} for number in range(5)],
        pages=["http://site/1/", "http://site/2/"],
        errors=2,
        failed=failed,
    )


def test_former_runs_are_there_for_a_daemon(tmp_path: Path) -> None:
    """They have their numbers in order, their times, counts and records, and say what they are."""
    root = tmp_path / "data"
    seed(root, "quotesbot", [_run(2, failed="exit status 1"), _run(1)], by="tester")
    with Opened(root) as store:
        jobs = completed(store.jobs.find(JobFilter(project="quotesbot", limit=None)))
    assert [str(job.key) for job in jobs] == ["1/1/2", "1/1/1"]
    newest, oldest = jobs
    assert oldest.state == Finished(
        since=NOW - timedelta(days=2),
        started=NOW - timedelta(days=2, seconds=10),
        attempt=1,
        outcome=Outcome.FAILED,
        reason="exit status 1",
    )
    assert (newest.progress.items, newest.progress.responses, newest.progress.errors) == (5, 2, 2)
    assert (newest.request.tags, newest.request.description) == ((TAG,), TOLD)
    artifacts = ArtifactStore(root)
    items = [*artifacts.records(newest.id, RecordKind.ITEMS).read()]
    started_ms = (NOW - timedelta(days=1, seconds=10)).timestamp() * 1000
    assert [one.committed_ms - started_ms for one in items] == [2000, 4000, 6000, 8000, 10000]
    assert [one.value for one in items][-1] == {"_type": "dict", "number": 4}
    (line,) = artifacts.records(newest.id, RecordKind.LOGS).read()
    assert TOLD in line.line.decode()


def test_a_directory_in_use_is_left_alone(tmp_path: Path) -> None:
    """Nothing is put into the database of a daemon that runs."""
    root = tmp_path / "data"
    with Opened(root), pytest.raises(DataDirectoryInUse):
        seed(root, "quotesbot", [_run(1)], by="tester")
