"""The commands about the database, as the shell sees them."""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from scrapy_do.client.main import main
from scrapy_do.core.filter import JobFilter
from scrapy_do.core.job import Finished, JobRequest, NewJob, Outcome, Pending
from tests.faults.owned import Opened, files_of, use
from tests.http_client import completed


def _run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[str], list[str]]:
    """Return the exit code and the lines of standard output and standard error."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out.splitlines(), err.splitlines()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return use(tmp_path / "data")


def test_backup_and_restore(capsys: pytest.CaptureFixture[str], data: Path, tmp_path: Path) -> None:
    """What was backed up can be restored after the database was lost."""
    where = ["--data-dir", str(data)]
    copy = str(tmp_path / "copy")
    assert _run(capsys, "db", "backup", copy, *where) == (0, [f"copied: {copy}"], [])
    assert _run(capsys, "db", "check", *where) == (
        0,
        [f"whole, and the one of {data}: {data}/scrapy-do.db"],
        [],
    )
    (data / "scrapy-do.db").unlink()
    problem = f"the database {data}/scrapy-do.db is missing, but the data directory is in use"
    expected: Any = (
        1,
        [],
        [f"error: {problem}", f"  try:   scrapy-do db restore --data-dir {data}"],
    )
    assert _run(capsys, "db", "check", *where) == expected
    assert _run(capsys, "db", "restore", copy, *where) == (0, [f"restored: {copy}"], [])
    with Opened(data) as store:
        assert [project.name for project in completed(store.projects.all())] == ["quotesbot"]


def test_restore_tells_what_it_did(
    capsys: pytest.CaptureFixture[str], data: Path, tmp_path: Path
) -> None:
    """A copy may be named as refusals name it; what became of versions is said."""
    where = ["--data-dir", str(data)]
    name = "scrapy-do.db.copy-20261101T000005Z"
    assert _run(capsys, "db", "backup", str(data / name), *where)[0] == 0
    shutil.rmtree(data / "archives")
    assert _run(capsys, "db", "restore", name, *where) == (
        0,
        [
            f"restored: {data}/{name}",
            f"set aside: {data}/scrapy-do.db.set-aside.000001",
            "removed, as its archive is gone: version quotesbot 1",
        ],
        [],
    )
    assert _run(capsys, "db", "check", *where)[1][1:] == [f"copy: {name} is whole"]
    del tmp_path


def test_check_finds_damage(capsys: pytest.CaptureFixture[str], data: Path) -> None:
    """Damage of the database and of copies is told, and nothing is changed by looking."""
    where = ["--data-dir", str(data)]
    name = "scrapy-do.db.copy-20261101T000005Z"
    assert _run(capsys, "db", "backup", str(data / name), *where)[0] == 0
    for path in (data / name, data / "scrapy-do.db"):
        content = path.read_bytes()
        path.write_bytes(content[:8192] + bytes(4096) + content[12288:])
    before = files_of(data)
    code, out, err = _run(capsys, "db", "check", *where)
    assert (code, out) == (1, [f"copy: {name} is damaged"])
    assert err[0].startswith(f"error: the database {data}/scrapy-do.db is damaged (")
    code, out, err = _run(capsys, "db", "restore", *where)
    assert (code, out) == (1, [])
    assert err[0].endswith(f"is kept that is whole (damaged: {name})")
    assert files_of(data) == before


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["backup", "{data}/scrapy-do.db"], "{data}/scrapy-do.db: File exists"),
        (["backup", "{data}/no/where"], "{data}/no: no directory"),
        (["restore"], "no copy of {data}/scrapy-do.db is kept that is whole"),
        (["restore", "nothing"], "{data}/nothing: no database is there"),
        (["restore", "identity"], "the database {data}/identity is damaged (file is not a databas"),
        (["check", "--data-dir", "{data}/none"], "{data}/none: no data directory"),
        (
            ["backup", "x", "--data-dir", "{data}/jobs"],
            "the database {data}/jobs/scrapy-do.db is",
        ),
    ],
)
def test_what_cannot_be_is_one_sentence(
    capsys: pytest.CaptureFixture[str], data: Path, words: list[str], error: str
) -> None:
    """Each refusal names what is wrong, with a command to try."""
    given = [word.replace("{data}", str(data)) for word in words]
    where = [] if "--data-dir" in given else ["--data-dir", str(data)]
    code, out, err = _run(capsys, "db", *given, *where)
    assert (code, out) == (1, [])
    assert err[0].startswith(f"error: {error.replace('{data}', str(data))}")
    assert err[1].startswith("  try:   scrapy-do db ")


def test_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """A copy and the database that is there cannot both be restored."""
    code, _, err = _run(capsys, "db", "restore", "copy", "--in-place")
    assert code == 2
    assert err[0] == "error: COPY and --in-place exclude each other"


def test_beside_a_running_daemon(
    capsys: pytest.CaptureFixture[str], data: Path, tmp_path: Path
) -> None:
    """A database in use is checked and backed up; restoring it is refused."""
    where = ["--data-dir", str(data)]
    with Opened(data) as store:
        completed(store.meta.put("scope", {"key": 1}))
        assert _run(capsys, "db", "check", *where)[0] == 0
        assert _run(capsys, "db", "backup", str(tmp_path / "copy"), *where)[0] == 0
        code, _, err = _run(capsys, "db", "restore", str(tmp_path / "copy"), *where)
        assert code == 1
        assert err[0].startswith(f"error: {data} belongs to another daemon that is running")
    with closing(sqlite3.connect(tmp_path / "copy")) as copy:
        assert copy.execute("SELECT value FROM meta WHERE scope = 'scope'").fetchall() == [(1,)]


def test_a_configured_database(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database that the configuration names is the one that is meant."""
    url = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    with Opened(tmp_path / "data", database=url):
        pass
    monkeypatch.setenv("SCRAPY_DO_SCRAPY_DO_DATABASE", url)
    code, out, _ = _run(capsys, "db", "check", "--data-dir", str(tmp_path / "data"))
    assert (code, out) == (
        0,
        [f"whole, and the one of {tmp_path / 'data'}: {tmp_path / 'elsewhere.db'}"],
    )


def test_clean_and_upgrade(capsys: pytest.CaptureFixture[str], data: Path) -> None:
    """Ended jobs go with their files, after a question; an up-to-date database stays so."""
    where = ["--data-dir", str(data)]
    with Opened(data) as store:
        now = datetime(2026, 11, 1, tzinfo=UTC)
        request = JobRequest(project="quotesbot", spider="toscrape-css")
        new = NewJob(id=uuid4(), request=request, state=Pending(since=now), created_at=now)
        job = completed(store.jobs.add(new))
        ended = Finished(
            since=now, started=now, attempt=1, outcome=Outcome.SUCCESSFUL, reason="finished"
        )
        completed(store.jobs.save(replace(job, state=ended, changed_at=now), expected=job))
    files = data / "jobs" / job.id.hex[:2] / str(job.id)
    files.mkdir(parents=True)
    (files / "items").touch()
    code, out, _ = _run(capsys, "db", "clean", "--older-than", "0s", "--dry-run", *where)
    assert (code, out) == (0, ["would be removed: 2 jobs"])
    code, _, err = _run(capsys, "db", "clean", "--older-than", "0s", *where)
    assert (code, err[-1].endswith("--yes")) == (2, True)
    code, out, _ = _run(capsys, "db", "clean", "--older-than", "0s", "--yes", *where)
    assert (code, out, files.exists()) == (0, ["removed: 2 jobs"], False)
    assert _run(capsys, "db", "upgrade", *where)[:2] == (0, [f"up to date: {data}/scrapy-do.db"])
    with Opened(data) as store:
        assert completed(store.jobs.find(JobFilter())) == []
        assert _run(capsys, "db", "clean", "--yes", *where)[0] == 1


@pytest.mark.parametrize("words", ["clean --dry-run", "clean --yes", "upgrade", "backup copy"])
def test_no_database_is_made(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, words: str
) -> None:
    """Where no daemon has been, nothing is whole, and no command makes a database."""
    where = ["--data-dir", str(tmp_path)]
    code, _, err = _run(capsys, "db", *words.split(), *where)
    assert code == 1
    assert err == [
        f"error: the database {tmp_path}/scrapy-do.db is missing",
        f"  try:   scrapy-do db restore --data-dir {tmp_path}",
    ]
    code, out, _ = _run(capsys, "db", "check", *where)
    assert (code, out) == (0, [f"none yet: the first start makes {tmp_path}/scrapy-do.db"])
    assert not (tmp_path / "scrapy-do.db").exists()
