"""Captured records: complete, and harmless when they cannot be written."""

import json
import logging
from pathlib import Path

import pytest

from scrapy_do.crawl.capture import Capture
from scrapy_do.crawl.logs import LogCapture, LogRecords
from scrapy_do.crawl.stats import Tally


def test_records_are_written_with_numbers(tmp_path: Path) -> None:
    """Each record is a line, and is told its number; a second writer numbers on."""
    path = tmp_path / "items"
    first = Capture(path)
    numbers = [first.append(b'{"a":1}'), first.append(b'{"a":2}')]
    first.close()
    second = Capture(path)
    numbers.append(second.append(b'{"a":3}'))
    second.close()

    assert numbers == [0, 1, 2]
    assert path.read_text() == '{"a":1}\n{"a":2}\n{"a":3}\n'


def test_what_is_no_line_is_dropped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A record that is no line is dropped, told once, and the others go on."""
    path = tmp_path / "items"
    capture = Capture(path)
    assert [capture.append(line) for line in (b"", b"a\nb", b'{"a":1}')] == [None, None, 0]
    capture.close()

    assert (capture.dropped, path.read_text()) == (2, '{"a":1}\n')
    assert len(caplog.records) == 1


def test_a_file_that_cannot_be_written_harms_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a file, records are held and then dropped, told once; nothing is raised."""
    capture = Capture(tmp_path / "absent" / "items")
    for _ in range(20):
        capture.append(b"x" * 1024 * 1024)
        capture.flush()
    capture.append(b"1")
    capture.close()

    assert capture.dropped == 21
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_log_lines_are_counted_and_kept() -> None:
    """Each line is counted, errors apart, and kept with its logger's name and traceback."""
    kept: list[dict[str, object]] = []
    tally = Tally()
    capture = LogCapture(tally, kept.append, lambda: None)
    logger = logging.getLogger("shop.spider")
    logger.setLevel(logging.INFO)
    logger.propagate = False  # the test runner's handler refuses bad formats
    logger.addHandler(capture)
    logger.info("hello %s", "world")
    logger.error("bad %d", "format")
    logger.critical("it", exc_info=ValueError("gone wrong"))
    logger.removeHandler(capture)

    assert (tally.log_lines, tally.errors) == (3, 2)
    assert [(line["level"], str(line["message"]).splitlines()[0]) for line in kept] == [
        (20, "[shop.spider] hello world"),
        (40, "[shop.spider] bad %d ('format',)"),
        (50, "[shop.spider] it"),
    ]
    assert str(kept[2]["message"]).endswith("ValueError: gone wrong")


def test_captured_lines_have_a_limit(tmp_path: Path) -> None:
    """At the limit one record says that it is the last; the lines after it are counted."""
    path = tmp_path / "log"
    capture = Capture(path)
    records = LogRecords(capture, 60)
    for number in range(9):
        records.keep({"time": number, "level": 20, "message": f"line {number}"})
    capture.close()

    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["time"], line["level"], line["message"]) for line in lines] == [
        (0, 20, "line 0"),
        (1, 20, "line 1"),
        (1, 30, "... the log is cut here at 60 bytes ..."),
    ]
    assert records.dropped == 7


def test_a_memory_error_is_heard() -> None:
    """A line that reports a MemoryError is passed on; other errors are not."""
    heard: list[str] = []
    logger = logging.getLogger("shop.memory")
    capture = LogCapture(Tally(), None, lambda: heard.append("memory"))
    logger.addHandler(capture)
    for error in (ValueError(), MemoryError()):
        logger.error("failed", exc_info=error)
    logger.removeHandler(capture)

    assert heard == ["memory"]
