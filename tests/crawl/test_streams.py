"""The standard streams of a crawl: what they let through, drop, and say of it."""

import os
import random
from pathlib import Path

import pytest

from scrapy_do.crawl.streams import CappedFile, cut_notice


def written(path: Path, limit_bytes: int | None, *contents: bytes) -> tuple[str, int]:
    """Write to a file through a capped one; return what is in it and how much was dropped."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        capped = CappedFile(descriptor, limit_bytes)
        assert [len(content) for content in contents] == [capped.write(one) for one in contents]
    finally:
        os.close(descriptor)
    return path.read_text(), capped.dropped_bytes


LAST = "... the log is cut here at 20 bytes ...\n"


@pytest.mark.parametrize(
    ("contents", "kept", "dropped"),
    [
        ((b"one\n", b"two\n"), "one\ntwo\n", 0),
        ((b"x" * 19 + b"\n",), "x" * 19 + "\n", 0),
        ((b"x" * 19 + b"\n", b"y\n"), "x" * 19 + f"\n{LAST}", 2),
        ((b"x" * 20, b"y\n"), "x" * 20 + f"\n{LAST}", 2),
        ((b"x" * 15, b"y" * 15, b"z\n"), "x" * 15 + "y" * 5 + f"\n{LAST}", 12),
        ((b"x" * 19 + b"\n" + b"y" * 15,), "x" * 19 + f"\n{LAST}", 15),
        ((b"x" * 21, b"y\n", b"z" * 1000), "x" * 20 + f"\n{LAST}", 1003),
        ((b"x" * 18 + "€€".encode(),), "x" * 18 + f"\n{LAST}", 6),
        ((b"x\n" * 9, "€€".encode()), "x\n" * 9 + LAST, 6),
    ],
)
def test_the_end_of_a_log(
    tmp_path: Path, contents: tuple[bytes, ...], kept: str, dropped: int
) -> None:
    """What fits is kept, no character by half; a line says that it ends; the rest is counted."""
    assert (kept, dropped) == written(tmp_path / "log", 20, *contents)


def test_nothing_is_lost_uncounted(tmp_path: Path) -> None:
    """Whatever is written in whatever pieces: kept and dropped are all there was."""
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    for number in range(100):
        contents = [
            rng.choice([b"", b"x", b"\n"]) * rng.randrange(1, 9) for _ in range(rng.randrange(9))
        ]
        contents = [one for one in contents if one]
        log, dropped = written(tmp_path / str(number), 20, *contents)

        kept = log.removesuffix(LAST)
        whole = b"".join(contents).decode()
        assert (kept != log) == (len(whole) > 20) == (dropped > 0), seed
        assert whole.startswith(kept.removesuffix("\n")), seed
        assert len(kept) - len(whole) + dropped in {0, 1}, seed  # a newline before the last line


def test_without_a_limit_all_is_written(tmp_path: Path) -> None:
    """No limit means none."""
    assert ("x" * 100_000, 0) == written(tmp_path / "log", None, b"x" * 100_000)


def test_other_errors_are_errors() -> None:
    """A full disk is not a limit: who writes hears of it."""
    descriptor = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(OSError, match="No space left"):
        CappedFile(descriptor, 20).write(b"x")
    os.close(descriptor)


@pytest.mark.parametrize(
    ("limit_bytes", "size"),
    [(100 << 20, "100 MiB"), (3 << 19, "1.5 MiB"), (1000, "1000 bytes")],
)
def test_the_notice_names_the_limit(limit_bytes: int, size: str) -> None:
    """Sizes are given as people configure them."""
    assert f"... the log is cut here at {size} ..." == cut_notice(limit_bytes)
