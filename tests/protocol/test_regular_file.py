"""Files that somebody may have tampered with."""

import os
import tracemalloc
from pathlib import Path

import pytest

from scrapy_do.protocol.regular_file import read_regular, read_whole

MIB = 1024 * 1024


def test_a_small_file_takes_little_memory(tmp_path: Path) -> None:
    """However large it might be: the room is for what there is."""
    path = tmp_path / "result"
    path.write_bytes(b"x" * 100)
    tracemalloc.start()
    content = read_regular(path, 4 * MIB)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert content == b"x" * 100
    assert peak_bytes < MIB / 8


@pytest.mark.parametrize("size", [0, 1, 100_000])
def test_the_limit_itself_is_read(tmp_path: Path, size: int) -> None:
    """A byte more is too much, as an error that names the file or as nothing."""
    path = tmp_path / "file"
    path.write_bytes(b"x" * size)

    assert read_regular(path, size) == b"x" * size
    path.write_bytes(b"x" * (size + 1))
    with path.open("rb") as file:
        assert read_whole(file.fileno(), size) is None
    with pytest.raises(OSError, match=str(path)):
        read_regular(path, size)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """What is no regular file is refused at once."""
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(OSError, match="not a regular file"):
        read_regular(tmp_path / "pipe", 10)
