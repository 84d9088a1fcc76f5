"""The record files: what was flushed is there under its number, whatever was torn or lost."""

import errno
import fcntl
import os
import signal
import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from scrapy_do.protocol.record_file import (
    INDEX_STRIDE,
    LINE_LIMIT_BYTES,
    RecordReader,
    RecordWriter,
    beside,
)

LINES = [b"%d" % (number * number) for number in range(200)]


def write(path: Path, lines: list[bytes], now_ms: int = 1) -> None:
    writer = RecordWriter(path)
    for line in lines:
        writer.append(line)
    writer.close(now_ms)


def index_of(path: Path) -> list[int]:
    index = beside(path, ".index")
    content = index.read_bytes() if index.exists() else b""
    return [offset for (offset,) in struct.iter_unpack("<Q", content)]


def right_index(lines: list[bytes]) -> list[int]:
    return [
        sum(len(line) + 1 for line in lines[:number])
        for number in range(INDEX_STRIDE, len(lines) + 1, INDEX_STRIDE)
    ]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "items.jsonl"


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 127, 128, 129, 200])
def test_written_and_read(count: int, path: Path) -> None:
    """Records come back in order, by number, and the index knows every 64th."""
    write(path, LINES[:count])
    reader = RecordReader(path)

    assert count == reader.count()
    assert LINES[:count] == list(reader.read())
    for start in (0, 1, 63, 64, 65, 128, 199, 300):
        assert LINES[:count][start : start + 70] == list(reader.read(start, start + 70))
    if count:
        assert b"".join(line + b"\n" for line in LINES[:count]) == path.read_bytes()
        assert right_index(LINES[:count]) == index_of(path)
        assert beside(path, ".index").exists() is (count >= INDEX_STRIDE)


def test_nothing_there(path: Path) -> None:
    """A file that does not exist is empty."""
    reader = RecordReader(path)

    assert (
        reader.count(),
        list(reader.read()),
        list(reader.times()),
        reader.offset(5),
    ) == (0, [], [], 0)


def test_collected_is_not_written(path: Path) -> None:
    """Records are written by a flush, not before, and can be dropped instead."""
    with RecordWriter(path) as writer:
        assert None is writer.flush(1)
        writer.append(b"1")
        writer.append(b"22")
        assert (writer.pending_bytes, RecordReader(path).count()) == (5, 0)
        assert (writer.drop(), writer.pending_bytes) == (2, 0)
        writer.append(b"3")
        assert writer.flush(7) == 7
        assert (writer.pending_bytes, writer.count) == (0, 1)
        writer.append(b"4")
    assert list(RecordReader(path).read()) == [b"3"]


@pytest.mark.parametrize("line", [b"", b"a\nb", b"\n", b"x" * (LINE_LIMIT_BYTES + 1)])
def test_no_line(line: bytes, path: Path) -> None:
    """What is not one line of bounded length is not taken."""
    with pytest.raises(ValueError, match="a record must be one line"):
        RecordWriter(path).append(line)


def test_skipped(path: Path) -> None:
    """Skipped records keep their numbers free and are read as blank lines."""
    with RecordWriter(path) as writer:
        writer.append(b"0")
        writer.skip(100)
        writer.append(b"101")
        writer.flush(1)

    reader = RecordReader(path)
    assert (reader.count(), list(reader.read(100))) == (102, [b"", b"101"])


def test_times(path: Path) -> None:
    """Each flush has a time of its own, later than the one before, whatever the clock says."""
    with RecordWriter(path) as writer:
        committed = []
        for now_ms in (1000, 1000, 900, 5000):
            writer.append(b"1")
            writer.append(b"2")
            committed.append(writer.flush(now_ms))
    with RecordWriter(path) as writer:
        writer.append(b"3")
        committed.append(writer.flush(1))

    assert committed == [1000, 1001, 1002, 5000, 5001]
    assert list(RecordReader(path).times()) == [
        (0, 1000),
        (2, 1001),
        (4, 1002),
        (6, 5000),
        (8, 5001),
    ]
    for record, first in ((0, 0), (1, 0), (2, 2), (5, 4), (8, 8), (99, 8)):
        assert first == next(RecordReader(path).times(record))[0]


def test_torn_anywhere(path: Path) -> None:
    """After a cut at any byte the complete lines are there, and a writer goes on after them."""
    write(path, LINES[:150])
    content, index = path.read_bytes(), beside(path, ".index").read_bytes()
    for length in range(len(content) + 1):
        path.write_bytes(content[:length])
        beside(path, ".index").write_bytes(index)
        complete = content[:length].split(b"\n")[:-1]
        reader = RecordReader(path)
        assert (len(complete), complete) == (reader.count(), list(reader.read()))
        assert complete[70:] == list(reader.read(70))

        write(path, [b"next"])

        assert [*complete, b"next"] == list(reader.read())
        assert right_index([*complete, b"next"]) == index_of(path)


def test_index_cut_anywhere(path: Path) -> None:
    """An index that lost its end is as good as a whole one, and a writer makes it whole."""
    write(path, LINES)
    index = beside(path, ".index").read_bytes()
    for length in range(len(index) + 1):
        beside(path, ".index").write_bytes(index[:length])
        assert LINES[130:140] == list(RecordReader(path).read(130, 140))
        assert len(LINES) == RecordReader(path).count()

        write(path, [])
        with RecordWriter(path) as writer, writer.locked():
            assert len(LINES) == writer.count

        assert index == beside(path, ".index").read_bytes()


@pytest.mark.parametrize(
    "damage",
    [b"\0" * 24, b"\xff" * 24, b"\1" + b"\0" * 23, struct.pack("<3Q", 65, 200, 300), b"\0" * 4096],
    ids=["zeros", "ones", "one", "inside lines", "many zeros"],
)
def test_index_damaged(damage: bytes, path: Path) -> None:
    """An index that cannot be right is not believed."""
    write(path, LINES)
    beside(path, ".index").write_bytes(damage)

    assert LINES[130:140] == list(RecordReader(path).read(130, 140))
    assert len(LINES) == RecordReader(path).count()
    write(path, [b"next"])
    assert right_index([*LINES, b"next"]) == index_of(path)


def test_times_cut_anywhere(path: Path) -> None:
    """Commit times that were lost leave the records readable and later times later."""
    with RecordWriter(path) as writer:
        for number in range(5):
            writer.append(b"1")
            writer.flush(100 + number)
    times = beside(path, ".times").read_bytes()
    data = path.read_bytes()
    for length in range(len(times) + 1):
        beside(path, ".times").write_bytes(times[:length])
        path.write_bytes(data)
        kept = [(number, 100 + number) for number in range(length // 16)]
        assert kept == list(RecordReader(path).times())

        write(path, [b"2"], now_ms=50)

        expected_ms = kept[-1][1] + 1 if kept else 50
        assert [*kept, (5, expected_ms)] == list(RecordReader(path).times())


def test_times_beyond_the_records(path: Path) -> None:
    """Times of records that were lost make room, and are never given out again."""
    with RecordWriter(path) as writer:
        for number in range(5):
            writer.append(b"1")
            writer.flush(100 + number)
    path.write_bytes(b"1\n1\n")

    write(path, [b"2"], now_ms=50)

    assert list(RecordReader(path).times()) == [(0, 100), (1, 101), (2, 105)]


def test_times_damaged(path: Path) -> None:
    """A time that no clock can have shown is not believed."""
    write(path, [b"1"])
    beside(path, ".times").write_bytes(b"\0" * 8 + b"\xff" * 8)

    write(path, [b"2"], now_ms=50)

    assert list(RecordReader(path).times(1))[-1] == (1, 50)


def test_long_lines(path: Path) -> None:
    """Lines of any length up to the limit come back whole; longer ones as never written."""
    lines = [b"a" * 262_143, b"b" * 262_144, b"c" * 262_145, b"d" * 1_000_000, b"e"]
    write(path, lines)
    with path.open("ab") as file:
        file.write(b"x" * (LINE_LIMIT_BYTES + 1) + b"\nf\n" + b"y" * LINE_LIMIT_BYTES + b"\ntorn")

    assert [*lines, b"", b"f", b"y" * LINE_LIMIT_BYTES] == list(RecordReader(path).read())
    write(path, [b"g"])
    assert [*RecordReader(path).read(6, 7), *RecordReader(path).read(8)] == [b"f", b"g"]


def test_offset(path: Path) -> None:
    """The place of each record is the sum of the lines before it."""
    write(path, LINES)

    places = [sum(len(line) + 1 for line in LINES[:number]) for number in (0, 1, 64, 65, 200)]
    assert places == [RecordReader(path).offset(number) for number in (0, 1, 64, 65, 200)]


def test_two_writers(path: Path) -> None:
    """Writers that take turns see each other's records and number on."""
    with RecordWriter(path) as one, RecordWriter(path) as two:
        for number in range(0, 200, 2):
            one.append(LINES[number])
            one.flush(1)
            two.append(LINES[number + 1])
            two.flush(1)
        assert two.count == 200
    assert list(RecordReader(path).read()) == LINES
    assert right_index(LINES) == index_of(path)
    assert list(range(200)) == [first for first, _ in RecordReader(path).times()]


def test_writers_in_threads(path: Path) -> None:
    """Batches of concurrent writers stay whole."""

    def append(name: int) -> None:
        with RecordWriter(path) as writer:
            for batch in range(20):
                for number in range(7):
                    writer.append(b"%d-%d-%d" % (name, batch, number))
                writer.flush(1)

    threads = [threading.Thread(target=append, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    lines = list(RecordReader(path).read())
    batches = {b"".join(lines[at : at + 7]) for at in range(0, len(lines), 7)}
    assert {
        b"".join(b"%d-%d-%d" % (name, batch, number) for number in range(7))
        for name in range(4)
        for batch in range(20)
    } == batches
    assert right_index(lines) == index_of(path)


def test_removed_under_the_writer(path: Path) -> None:
    """A writer whose file was removed begins a new one, and fails when its directory is gone."""
    folder = path.parent / "job"
    folder.mkdir()
    path = folder / "items.jsonl"
    with RecordWriter(path) as writer:
        writer.append(b"1")
        writer.flush(1)
        path.unlink()
        writer.append(b"2")
        writer.flush(2)
        assert path.read_bytes() == b"2\n"
        folder.rename(path.parent.parent / "trash")
        writer.append(b"3")
        with pytest.raises(FileNotFoundError):
            writer.flush(3)


def test_full_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flush that fails in the middle leaves nothing in the file and can be repeated."""
    real = os.pwrite

    def half(descriptor: int, content: bytes, offset: int) -> int:
        if len(content) > 16:  # the records, not their commit time
            real(descriptor, content[:10], offset)
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, content, offset)

    with RecordWriter(path) as writer:
        writer.append(b"1" * 20)
        writer.flush(1)
        writer.append(b"2" * 20)
        with monkeypatch.context() as patched:
            patched.setattr(os, "pwrite", half)
            with pytest.raises(OSError, match="No space left"):
                writer.flush(2)
        assert path.read_bytes() == b"1" * 20 + b"\n"
        writer.flush(3)
    assert list(RecordReader(path).read()) == [b"1" * 20, b"2" * 20]


def test_index_not_writable(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hole in the index costs time, not records."""
    real = os.pwrite

    def refuse_offsets(descriptor: int, content: bytes, offset: int) -> int:
        if len(content) == 8:
            raise OSError(errno.EIO, "Input/output error")
        return real(descriptor, content, offset)

    with RecordWriter(path) as writer:
        for number, line in enumerate(LINES):
            writer.append(line)
            with monkeypatch.context() as patched:
                if number == 63:
                    patched.setattr(os, "pwrite", refuse_offsets)
                writer.flush(1)

    assert [0, *right_index(LINES)[1:]] == index_of(path)
    assert LINES[70:] == list(RecordReader(path).read(70))
    assert LINES[130:] == list(RecordReader(path).read(130))


def test_locked(path: Path) -> None:
    """A writer with patience gives up on a file that stays locked."""
    path.write_bytes(b"")
    with path.open("rb") as other, RecordWriter(path) as writer:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(BlockingIOError), writer.locked(0.01):
            pass
        fcntl.flock(other, fcntl.LOCK_UN)
        with writer.locked(0.01):
            assert writer.count == 0


ENDLESS = """
import sys
from pathlib import Path
from scrapy_do.protocol.record_file import RecordWriter
writer = RecordWriter(Path(sys.argv[1]))
number = 0
while True:
    for _ in range(50):
        writer.append(b"%d" % number * 100)
        number += 1
    writer.flush(number)
    if number == 1000:
        print("go", flush=True)
"""


@pytest.mark.live
def test_killed(path: Path) -> None:
    """A writer that is killed at work leaves a file that its successor continues."""
    expected = 0
    for _ in range(3):
        arguments = [sys.executable, "-c", ENDLESS, str(path)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.send_signal(signal.SIGKILL)
        lines = list(RecordReader(path).read())
        assert lines[expected:] == [b"%d" % number * 100 for number in range(len(lines) - expected)]
        assert len(lines) - expected >= 1000
        write(path, [b"between"])
        assert right_index([*lines, b"between"]) == index_of(path)
        expected = len(lines) + 1
