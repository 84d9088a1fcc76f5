"""An order that a dead daemon left in a queue comes after the next daemon has decided."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scrapy_do.protocol import run_record
from scrapy_do.protocol.wire import FAILED_ANNOUNCEMENT, STARTED_ANNOUNCEMENT, encode
from tests.launchers.harness import make_spec

pytestmark = pytest.mark.live

HOLDER = [sys.executable, "-I", "-X", "utf8", "-m", "scrapy_do.crawl.holder"]


def ordered(run_dir: Path, order: bytes) -> int:
    """Write an order, and return the open file that goes to the holder."""
    run_record.write(run_dir, run_record.ORDER, order, synced=False)
    return os.open(run_dir / run_record.ORDER, os.O_RDONLY)


def hold(order: int) -> bytes:
    """Run a holder with an order to its end; return what it announced."""
    try:
        return subprocess.run(HOLDER, stdin=order, capture_output=True, check=False).stdout
    finally:
        os.close(order)


@pytest.mark.parametrize("again", [True, False], ids=["ordered again", "not ordered again yet"])
def test_a_withdrawn_order_starts_nothing(tmp_path: Path, *, again: bool) -> None:
    """A holder with the order of a directory that was made anew leaves the new one alone."""
    spec = make_spec(tmp_path, "noop")
    late = ordered(spec.placement.run_dir, encode(spec))
    spec.placement.run_dir.rename(tmp_path / "grave")
    spec.placement.run_dir.mkdir()
    if again:
        os.close(ordered(spec.placement.run_dir, encode(spec)))

    said = hold(late)

    assert said == FAILED_ANNOUNCEMENT + b"OSError: the order was withdrawn"
    assert run_record.read(spec.placement.run_dir, run_record.STARTED) is None
    assert not spec.placement.err.exists()


def test_a_removed_directory_starts_nothing(tmp_path: Path) -> None:
    """A holder whose directory is gone does not make it."""
    spec = make_spec(tmp_path, "noop")
    late = ordered(spec.placement.run_dir, encode(spec))
    spec.placement.run_dir.rename(tmp_path / "grave")

    said = hold(late)

    assert said.startswith(FAILED_ANNOUNCEMENT + b"FileNotFoundError")
    assert not spec.placement.run_dir.exists()
    assert not spec.placement.err.exists()


def test_an_order_that_stands_is_carried_out(tmp_path: Path) -> None:
    """The same holder with the order that lies in the directory runs the spider."""
    spec = make_spec(tmp_path, "noop")

    said = hold(ordered(spec.placement.run_dir, encode(spec)))

    assert said.startswith(STARTED_ANNOUNCEMENT)
    assert run_record.read(spec.placement.run_dir, run_record.EXIT) is not None
