"""The artifact store: a directory per job, and files that a crawl cannot turn into traps."""

import errno
import os
import stat
from pathlib import Path
from uuid import UUID

import pytest

from scrapy_do.errors import LogNotFound
from scrapy_do.files.artifacts import Artifact, ArtifactStore
from scrapy_do.files.record_blocks import Place
from scrapy_do.files.record_stats import RecordKind
from tests.files.zips import names

JOB = UUID("0b6f5d5c-6a3e-4a7c-9d51-3f8c1f0e2a11")
OTHER = UUID("a1b2c3d4-0000-4000-8000-000000000001")


def test_prepare(tmp_path: Path) -> None:
    """A job's directory is private, lies below the first two digits, and stays when asked twice."""
    store = ArtifactStore(tmp_path)
    assert not store.exists(JOB)

    path = store.prepare(JOB)
    (path / "err").write_bytes(b"first attempt\n")

    assert tmp_path / "jobs/0b" / str(JOB) == path
    assert path == store.prepare(JOB)
    assert store.exists(JOB)
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert (path / "err").read_bytes() == b"first attempt\n"


def records(store: ArtifactStore, attempt: int | None = None) -> list[bytes]:
    log = store.records(JOB, RecordKind.ITEMS, attempt)
    return [record.line for record in log.read()]


def write(store: ArtifactStore, *lines: bytes) -> None:
    store.records(JOB, RecordKind.ITEMS).write(lines, now_ms=1)


def crawled(store: ArtifactStore, *lines: bytes) -> None:
    """Begin a crawl, and write what it writes."""
    store.begin(JOB)
    store.path(JOB, Artifact.STDERR).touch()
    write(store, *lines)


def test_the_records_of_an_attempt_are_set_aside(tmp_path: Path) -> None:
    """Each crawl begins with no records; those of earlier ones are found by their number."""
    store = ArtifactStore(tmp_path)
    crawled(store, b"1", b"2")
    write(store, b"3")
    store.begin(JOB)
    assert (records(store), store.attempts(JOB)) == ([], 1)
    store.begin(JOB)  # nothing was written meanwhile
    crawled(store, b"4")
    crawled(store, b"5")

    assert [records(store, attempt) for attempt in (None, 1, 2, 3)] == [
        [b"5"],
        [b"1", b"2", b"3"],
        [b"4"],
        [],
    ]
    assert store.attempts(JOB) == 2
    assert store.records(JOB, RecordKind.ITEMS, 1).stats().input_values == 3
    store.delete(JOB)
    assert store.attempts(JOB) == 0


def test_what_was_written_before_the_first_crawl_stays(tmp_path: Path) -> None:
    """A client may write to a job that is pending: that is of no earlier attempt."""
    store = ArtifactStore(tmp_path)
    store.prepare(JOB)
    write(store, b"1")
    crawled(store, b"2")
    assert (records(store), store.attempts(JOB)) == ([b"1", b"2"], 0)


def test_setting_aside_is_taken_up_after_a_crash(tmp_path: Path) -> None:
    """What was renamed already and what was not are one attempt in the end."""
    store = ArtifactStore(tmp_path)
    crawled(store, b"1")
    store.records(JOB, RecordKind.LOGS).write([b"2"], now_ms=1)
    aside = tmp_path / "jobs" / "attempts" / "0b" / str(JOB) / "new"
    aside.mkdir(parents=True)
    store.path(JOB, Artifact.ITEMS).rename(aside / "items.jsonl")

    crawled(store, b"3")

    logs = store.records(JOB, RecordKind.LOGS, 1)
    assert [records(store), records(store, 1)] == [[b"3"], [b"1"]]
    assert [record.line for record in logs.read()] == [b"2"]
    assert store.attempts(JOB) == 1


def test_a_read_that_has_begun_stays_with_its_attempt(tmp_path: Path) -> None:
    """Records of two attempts are never mixed in one answer."""
    store = ArtifactStore(tmp_path)
    crawled(store, b"1", b"2")
    log = store.present_records(JOB, RecordKind.ITEMS)
    first = log.block(Place(record=0), 1)
    crawled(store, b"3", b"4", b"5")
    assert first.lines == b"1\n"
    assert log.block(Place(record=1)).lines == b"2\n"


def test_a_link_in_place_of_records_is_only_moved(tmp_path: Path) -> None:
    """What a crawl has put in place of its records is not followed."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"1\n")
    store = ArtifactStore(tmp_path)
    crawled(store)
    store.path(JOB, Artifact.ITEMS).unlink(missing_ok=True)
    store.path(JOB, Artifact.ITEMS).symlink_to(secret)
    crawled(store, b"2")
    assert [records(store), records(store, 1)] == [[b"2"], []]
    assert secret.read_bytes() == b"1\n"


def test_names(tmp_path: Path) -> None:
    """The names of a job's files are fixed."""
    store = ArtifactStore(tmp_path)
    names = ["out", "err", "items.jsonl", "requests.jsonl", "log.jsonl", "samples.jsonl"]

    assert [store.prepare(JOB) / name for name in names] == [
        store.path(JOB, kind) for kind in Artifact
    ]


def test_open_and_sizes(tmp_path: Path) -> None:
    """The files that are there can be read and measured."""
    store = ArtifactStore(tmp_path)
    assert store.sizes(JOB) == {}
    store.prepare(JOB)
    store.path(JOB, Artifact.STDERR).write_bytes(b"some log\n")
    store.path(JOB, Artifact.ITEMS).write_bytes(b"{}\n")

    with store.open(JOB, Artifact.STDERR) as file:
        assert file.read() == b"some log\n"
    assert store.sizes(JOB) == {Artifact.STDERR: 9, Artifact.ITEMS: 3}


def test_no_traps(tmp_path: Path) -> None:
    """What a crawl puts in the place of a file is neither followed, nor waited for, nor read."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"token\n")
    store = ArtifactStore(tmp_path / "store")
    directory = store.prepare(JOB)
    (directory / "out").symlink_to(secret)
    os.mkfifo(directory / "err")
    (directory / "items.jsonl").mkdir()
    (directory / "log.jsonl").symlink_to(secret)
    os.mkfifo(directory / "requests.jsonl")

    for kind in Artifact:
        with pytest.raises(LogNotFound):
            store.open(JOB, kind)
    assert store.sizes(JOB) == {}
    for records in RecordKind:
        assert (
            store.records(JOB, records).count(),
            list(store.records(JOB, records).read()),
        ) == (0, [])
    for records in (RecordKind.LOGS, RecordKind.REQUESTS):
        with pytest.raises(LogNotFound):
            store.records(JOB, records).write([b"{}"], now_ms=1)
    assert secret.read_bytes() == b"token\n"


@pytest.mark.parametrize("suffix", [".index", ".times", ".stats", ".new"])
def test_no_traps_beside(suffix: str, tmp_path: Path) -> None:
    """Nothing is written through a link that a crawl put beside its records."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"token\n")
    store = ArtifactStore(tmp_path / "store")
    (store.prepare(JOB) / f"items.jsonl{suffix}").symlink_to(secret)
    items = store.records(JOB, RecordKind.ITEMS)

    for value in (b"{}", b'{"a":1}'):
        try:
            items.write([value], now_ms=1, start=0)
        except LogNotFound:
            assert suffix in {".index", ".times"}

    assert secret.read_bytes() == b"token\n"


def test_records(tmp_path: Path) -> None:
    """Each kind of records lies in its own file."""
    store = ArtifactStore(tmp_path)
    store.prepare(JOB)
    for kind in RecordKind:
        store.records(JOB, kind).write([f'{{"kind":"{kind}"}}'.encode()], now_ms=1)

    assert {kind: store.path(JOB, kind).read_bytes() for kind in store.sizes(JOB)} == {
        Artifact.ITEMS: b'{"kind":"items"}\n',
        Artifact.REQUESTS: b'{"kind":"requests"}\n',
        Artifact.LOG: b'{"kind":"logs"}\n',
        Artifact.SAMPLES: b'{"kind":"samples"}\n',
    }


def test_jobs(tmp_path: Path) -> None:
    """All jobs with a directory are found, and nothing else."""
    store = ArtifactStore(tmp_path)
    store.prepare(OTHER)
    store.prepare(JOB)
    (tmp_path / "jobs/0b/notes").mkdir()
    (tmp_path / "jobs/0b" / str(JOB).upper()).mkdir()
    (tmp_path / "jobs/lost+found").mkdir()

    assert list(store.jobs()) == [JOB, OTHER]


def test_delete(tmp_path: Path) -> None:
    """Deleting removes one job's directory; doing it again is harmless."""
    store = ArtifactStore(tmp_path)
    store.prepare(OTHER)
    (store.prepare(JOB) / "out").write_bytes(b"x")

    store.delete(JOB)
    store.delete(JOB)

    assert list(store.jobs()) == [OTHER]
    assert names(tmp_path / "jobs/trash") == []


def test_sweep(tmp_path: Path) -> None:
    """What was renamed away before a crash is deleted at start."""
    store = ArtifactStore(tmp_path)
    store.prepare(JOB)
    (tmp_path / "jobs/trash/abc").mkdir()
    (tmp_path / "jobs/trash/abc/out").write_bytes(b"x")

    store.sweep()

    assert names(tmp_path / "jobs/trash") == []
    assert list(store.jobs()) == [JOB]


def test_no_descriptors_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that cannot open files does not say that there are none."""
    store = ArtifactStore(tmp_path)
    store.prepare(JOB)
    log = store.records(JOB, RecordKind.LOGS)

    def exhausted(*_arguments: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", exhausted)
        with pytest.raises(OSError, match="Too many open files"):
            store.open(JOB, Artifact.STDOUT)
        with pytest.raises(OSError, match="Too many open files"):
            log.write([b"{}"], now_ms=1)
        with pytest.raises(OSError, match="Too many open files"):
            log.count()
