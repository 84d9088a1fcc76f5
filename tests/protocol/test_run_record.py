"""The files of a run directory."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from scrapy_do.protocol import run_record
from scrapy_do.protocol.facts import Process
from scrapy_do.protocol.run_record import BadRecord, ExitRecord, StartRecord

IDENTITY = Process(pid=10, start_ticks=20, boot_id="boot")
STARTED = StartRecord(
    crawl=IDENTITY, holder=Process(pid=9, start_ticks=2, boot_id="b"), time_ms=3, seal="s"
)
EXIT = ExitRecord(
    status=0, signal=None, time_ms=1, user_s=0.5, system_s=0.25, max_rss_bytes=4096, secret="x"
)


def test_records_come_back_as_they_were() -> None:
    """Encoding and decoding changes nothing."""
    assert StartRecord.decode(STARTED.encode()) == STARTED
    assert ExitRecord.decode(EXIT.encode()) == EXIT


@pytest.mark.parametrize(
    "record", [b"", b"x", b"[]", b"{}", b'{"crawl": 1, "status": 1}', b'{"status": 1, "signal": 9}']
)
def test_a_damaged_record_is_refused(record: bytes) -> None:
    """Bytes that no writer of ours wrote are refused as such."""
    for kind in (StartRecord, ExitRecord):
        with pytest.raises(BadRecord):
            kind.decode(record)


def test_a_record_is_complete_or_absent(tmp_path: Path) -> None:
    """A record is written beside its name and renamed."""
    assert run_record.read(tmp_path, "exit") is None
    run_record.write(tmp_path, "exit", b"one", synced=True)
    run_record.write(tmp_path, "exit", b"two", synced=False)

    assert run_record.read(tmp_path, "exit") == b"two"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["exit"]


def test_a_reserved_record_needs_no_more_space(tmp_path: Path) -> None:
    """The space of the exit record is taken at the start, and its record fits into it."""
    descriptor = run_record.reserve(tmp_path, "exit")
    reserved = (tmp_path / "exit.new").stat()
    run_record.write_reserved(tmp_path, "exit", EXIT.encode(), descriptor)
    os.close(descriptor)
    written = (tmp_path / "exit").stat()

    assert (reserved.st_ino, reserved.st_size) == (written.st_ino, written.st_size)
    record = run_record.read(tmp_path, "exit")
    assert record is not None
    assert ExitRecord.decode(record) == EXIT


def test_a_giant_record_is_not_read(tmp_path: Path) -> None:
    """A file that no writer of ours made this large is refused before it fills memory."""
    (tmp_path / "result").write_bytes(b"12345")
    with pytest.raises(BadRecord, match="result is too large"):
        run_record.read(tmp_path, "result", 4)

    assert run_record.read(tmp_path, "result", 5) == b"12345"


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("started")])
@pytest.mark.parametrize("name", ["exit", "lock"])
def test_what_is_no_file_is_no_record(
    tmp_path: Path, make: Callable[[Path], None], name: str
) -> None:
    """A directory, a pipe or a link in the place of a record is damage, and nobody waits for it."""
    (tmp_path / "started").write_bytes(b"{}")
    make(tmp_path / name)

    with pytest.raises(BadRecord, match=name):
        run_record.read(tmp_path, name)
    with pytest.raises(BadRecord) if name == "lock" else nullcontext():
        assert run_record.is_locked(tmp_path) is None


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, Path.touch, lambda path: path.mkdir(0)])
@pytest.mark.parametrize("taken", [{"exit"}, {"exit.new"}, {"exit", "exit.new"}])
def test_an_exit_finds_its_place(
    tmp_path: Path, make: Callable[[Path], None], taken: set[str]
) -> None:
    """Whatever a crawl has put in the way of the record of its end, that is written."""
    descriptor = run_record.reserve(tmp_path, "exit")
    for name in taken:
        (tmp_path / name).unlink(missing_ok=True)
        make(tmp_path / name)
    run_record.write_reserved(tmp_path, "exit", EXIT.encode(), descriptor)
    os.close(descriptor)
    record = run_record.read(tmp_path, "exit")

    assert record is not None
    assert ExitRecord.decode(record) == EXIT


def test_an_exit_is_sealed() -> None:
    """Only who knows the secret of a holder can write an exit for it; old records have none."""
    secret = run_record.new_secret()
    own = run_record.own_identity()
    started = StartRecord(crawl=own, holder=own, time_ms=1, seal=run_record.seal_of(secret))

    assert replace(EXIT, secret=secret).is_sealed(started)
    assert not replace(EXIT, secret=run_record.new_secret()).is_sealed(started)
    assert not EXIT.is_sealed(started)
    assert EXIT.is_sealed(replace(started, seal=""))


FORGED = [
    *({"pid": pid} for pid in (0, 1, -1, 2**31, 1.5, "7", None, True)),
    *({"start_ticks": ticks} for ticks in (-1, 2**63, "1")),
    {"boot_id": 1},
]


@pytest.mark.parametrize("forged", FORGED)
def test_a_forged_identity_is_refused(forged: dict[str, object]) -> None:
    """Numbers that no process has, or that mean a group or everybody, are no identity."""
    own = {"pid": 7, "start_ticks": 1, "boot_id": "x"}
    record = {"crawl": own, "holder": own, "time_ms": 1}
    StartRecord.decode(json.dumps(record).encode())
    for name in ("crawl", "holder"):
        with pytest.raises(BadRecord):
            StartRecord.decode(json.dumps({**record, name: {**own, **forged}}).encode())


@pytest.mark.parametrize(
    "forged",
    [
        {"time_ms": -1},
        {"time_ms": 10**18},
        {"time_ms": float("inf")},
        {"status": 2**40},
        {"status": -1},
        {"max_rss_bytes": 2**64},
        {"user_s": "many"},
        {"secret": 7},
        {"status": None, "signal": None},
        {"status": 0, "signal": 9},
    ],
)
def test_a_forged_exit_is_refused(forged: dict[str, object]) -> None:
    """Values that no holder writes, and no database or calendar holds, are damage."""
    record = {**json.loads(EXIT.encode()), **forged}
    with pytest.raises(BadRecord):
        ExitRecord.decode(json.dumps(record).encode())


def test_a_record_nested_without_end() -> None:
    """A record that no parser can follow is damage."""
    with pytest.raises(BadRecord, match="not JSON"):
        ExitRecord.decode(b"[" * 60_000)


@pytest.mark.parametrize("make", [Path.touch, lambda path: path.symlink_to("/"), os.mkfifo])
def test_what_is_no_directory_has_no_records(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """Something else in the place of the directory of records is damage; nothing is not."""
    make(tmp_path / "run")

    with pytest.raises(BadRecord, match="is no directory"):
        run_record.is_there(tmp_path / "run")
    assert not run_record.is_there(tmp_path / "absent")
    assert run_record.is_there(tmp_path)


def test_the_lock_is_taken_once(tmp_path: Path) -> None:
    """Only the first taker gets the lock; it is held until its descriptor is closed."""
    assert run_record.is_locked(tmp_path) is None
    assert run_record.lock_owner(tmp_path) is None
    lock = run_record.take_lock(tmp_path)
    assert lock is not None
    assert run_record.take_lock(tmp_path) is None
    assert run_record.is_locked(tmp_path) is True
    assert run_record.lock_owner(tmp_path) == run_record.own_identity()
    os.close(lock)

    assert run_record.is_locked(tmp_path) is False
    assert run_record.take_lock(tmp_path) is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock"]


def test_a_lock_that_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    """Without a directory there is no lock, and the error is told."""
    with pytest.raises(FileNotFoundError):
        run_record.take_lock(tmp_path / "absent")


def test_a_damaged_lock_has_no_owner(tmp_path: Path) -> None:
    """A lock file with other content names nobody."""
    (tmp_path / "lock").write_bytes(b"{}")
    assert run_record.lock_owner(tmp_path) is None


def test_racing_takers_agree(tmp_path: Path) -> None:
    """Of processes that take the same lock at the same time exactly one gets it."""
    code = (
        "import sys, pathlib; from scrapy_do.protocol import run_record; sys.stdin.read(1);"
        "print(run_record.take_lock(pathlib.Path(sys.argv[1])) is not None)"
    )
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    answers = [racer.communicate("x")[0].strip() for racer in racers]

    assert sorted(answers) == ["False", "False", "False", "True"]


def test_an_identity_is_of_one_process() -> None:
    """A process has one identity as long as it lives, and none afterwards."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        identity = run_record.identity_of(process.pid)
        assert identity is not None
        assert run_record.is_alive(identity)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert run_record.identity_of(process.pid) is None
        assert run_record.identity_of(process.pid, ended_too=True) == identity

    assert not run_record.is_alive(identity)


def test_a_name_cannot_forge_an_identity() -> None:
    """A program's name with spaces and brackets does not shift the fields after it."""
    own = run_record.own_identity()
    name = Path(f"/proc/self/task/{threading.get_native_id()}/comm")
    before = name.read_text()
    name.write_text("a) R 1 (b")
    try:
        assert run_record.own_identity() == own
    finally:
        name.write_text(before)
