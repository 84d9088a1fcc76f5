"""Printed text is told apart from the log, and what is not written yet outlives its crawl."""

import os
import random
from pathlib import Path

import pytest

from scrapy_do.crawl.printed import Printed, log_line, messages
from scrapy_do.crawl.unwritten import Unwritten
from scrapy_do.protocol.record_file import RecordWriter
from scrapy_do.protocol.wire import CrawlLimits
from tests.launchers.harness import make_spec, records

INFO, ERROR = 20, 40


@pytest.mark.parametrize(
    ("content", "info", "error"),
    [
        (b"", [], []),
        (b"\n \n", [], []),
        (b"a\n\n  b\r\nc", ["a", "  b", "c"], ["a\n\n  b", "c"]),
        (b"\xff\0\xc5\xbe\n", [r"\xff\x00ž"], [r"\xff\x00ž"]),
        (b"  5%\r 50%\r100%\ndone\n", ["100%", "done"], ["100%\ndone"]),
    ],
)
def test_messages(tmp_path: Path, content: bytes, info: list[str], error: list[str]) -> None:
    """A line of output is a message; what was written to stderr in a row is one."""
    path = tmp_path / "out"
    path.write_bytes(b"before" + content + b"after")

    for level, expected in ((INFO, info), (ERROR, error)):
        assert expected == list(messages(path, 6, 6 + len(content), level))


def test_long_text_comes_in_pieces(tmp_path: Path) -> None:
    """Memory stays bounded, lines stay whole."""
    path = tmp_path / "err"
    path.write_bytes(b"x" * 99 + b"\n" + b"y" * 1023 + b"\n" + b"z" * 200_000 + b"\n")
    sizes = [len(message) for message in messages(path, 0, path.stat().st_size, ERROR)]

    assert sizes[0] == 99 + 1 + 1023
    assert sum(sizes[1:]) == 200_000
    assert max(sizes) <= 64 * 1024


def test_what_is_logged_is_not_printed(tmp_path: Path) -> None:
    """Whatever is printed and logged in whatever order: all printed text is told, once."""
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    path = tmp_path / "err"
    for _ in range(50):
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        told: list[str] = []
        noted: list[int] = []
        printed = Printed(
            path,
            descriptor,
            0,
            level=INFO,
            tell=lambda _level, message, told=told: told.append(message),  # type: ignore[misc]
            note=noted.append,
        )
        expected = []
        for number in range(rng.randrange(20)):
            line = f"line {number}\n".encode()
            act = rng.choice(["print", "log", "tick"])
            if act == "print":
                os.write(descriptor, line)
                expected.append(line.decode().rstrip())
            elif act == "log":
                with printed.lock:
                    printed.logged(os.write(descriptor, b"log " + line))
                printed.tell()
            else:
                printed.collect(to_end=rng.random() < 0.5)
        printed.collect(to_end=True)
        os.close(descriptor)

        assert expected == told, seed
        assert noted == sorted(noted), seed
        assert (noted[-1:] or [0]) == [path.stat().st_size], seed


def test_half_a_line_waits(tmp_path: Path) -> None:
    """A line is told when it is whole, when something is logged after it, or at the end."""
    path = tmp_path / "out"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    told: list[str] = []
    printed = Printed(
        path,
        descriptor,
        0,
        level=INFO,
        tell=lambda _level, message: told.append(message),
        note=lambda _offset: None,
    )
    steps = []
    for act in (b"a", b" line\nb", b" and c", "end"):
        if isinstance(act, bytes):
            os.write(descriptor, act)
        printed.collect(to_end=act == "end")
        steps.append(list(told))
    os.close(descriptor)

    assert steps == [[], ["a line"], ["a line"], ["a line", "b and c"]]


def test_what_is_not_written_is_written_down(tmp_path: Path) -> None:
    """A holder completes the log: lines that were not written, then the end of what was printed."""
    spec = make_spec(tmp_path, "noop")
    assert spec.placement.log is not None
    spec.placement.err.write_text("of an earlier attempt\n")
    unwritten = Unwritten()
    unwritten.begin(spec)
    with RecordWriter(spec.placement.log) as writer:
        writer.append(log_line(1, INFO, "first"))
        writer.flush(1)
    unwritten.add(log_line(2, INFO, "second"))
    spec.placement.out.write_text("printed")
    with spec.placement.err.open("a") as err:
        err.write("one\ntwo\n")
    unwritten.write_down(spec, 3)
    unwritten.clear()

    assert [
        (line["time"], line["level"], line["message"]) for line in records(spec.placement.log)
    ] == [
        (1, INFO, "first"),
        (2, INFO, "second"),
        (3, INFO, "printed"),
        (3, ERROR, "one\ntwo"),
    ]


def test_lines_are_not_written_twice(tmp_path: Path) -> None:
    """A crawl that died after it wrote its lines and before it forgot them has them once."""
    spec = make_spec(tmp_path, "noop")
    assert spec.placement.log is not None
    unwritten = Unwritten()
    with RecordWriter(spec.placement.log) as writer:
        for number in range(3):
            line = log_line(number, INFO, "said")
            writer.append(line)
            unwritten.add(line)
        writer.flush(1)
    unwritten.write_down(spec, 2)

    assert len(records(spec.placement.log)) == 3


def test_a_full_log_stays_as_it_is(tmp_path: Path) -> None:
    """A captured log that has met its limit has its last line already."""
    spec = make_spec(tmp_path, "noop", limits=CrawlLimits(log_bytes=10))
    assert spec.placement.log is not None
    spec.placement.log.write_bytes(log_line(1, INFO, "the log is cut here") + b"\n")
    spec.placement.err.write_text("more\n")
    Unwritten().write_down(spec, 2)

    assert len(records(spec.placement.log)) == 1


def test_a_scribbled_memory_does_no_harm(tmp_path: Path) -> None:
    """Whatever a crawl wrote over it, its holder does not fail and reads no more than there is."""
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    for _ in range(5):
        spec = make_spec(tmp_path, "noop")
        spec.placement.err.write_text("words\n" * 100)
        unwritten = Unwritten()
        unwritten._memory[:4096] = rng.randbytes(4096)
        unwritten.write_down(spec, 2)
