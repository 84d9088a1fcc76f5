"""Captured records: complete, and harmless when they cannot be written."""

from pathlib import Path

import pytest

from scrapy_do.crawl.capture import Capture


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
