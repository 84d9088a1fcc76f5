"""An upgrade of the schema that is killed half-way is made by the next start."""

import random
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from scrapy_do.core.filter import JobFilter
from scrapy_do.store.migrate import REVISIONS
from scrapy_do.store.store import open_store
from tests.faults.conftest import SWEEP
from tests.http_client import completed

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
]

FIRST_SCHEMA = Path(__file__).parent.parent / "store" / "schema-0001.sql"
POINTS = 60 if SWEEP else 6
UPGRADE = """
import sys
from pathlib import Path
from scrapy_do.store.store import open_store
open_store(Path(sys.argv[1])).close()
"""


def _upgrade(path: Path, *words: str) -> int:
    return subprocess.run(
        [*words, sys.executable, "-c", UPGRADE, str(path)], capture_output=True, check=False
    ).returncode


def _made(path: Path) -> Path:
    with closing(sqlite3.connect(path)) as database:
        database.executescript(FIRST_SCHEMA.read_text())
    return path


def _writes(root: Path) -> int:
    """How many calls write to the disk in an upgrade."""
    trace = root / "trace"
    assert _upgrade(_made(root / "whole"), "strace", "-f", "-o", str(trace), *_only()) == 0
    return trace.read_text().count("pwrite64(")


def _only(number: int | None = None) -> tuple[str, ...]:
    inject = () if number is None else ("-e", f"inject=pwrite64:signal=KILL:when={number}")
    return ("-e", "trace=pwrite64", *inject)


def test_a_killed_upgrade(tmp_path: Path) -> None:
    """Whichever write it is killed at: nothing is lost, a copy is kept, the next start does it."""
    writes = _writes(tmp_path)
    rng = random.Random(27)
    for number in sorted(rng.sample(range(1, writes), min(POINTS, writes - 1))):
        path = _made(tmp_path / f"killed at {number}")
        assert _upgrade(path, "strace", "-f", "-o", "/dev/null", *_only(number)) != 0
        store = open_store(path)
        assert len(completed(store.jobs.find(JobFilter()))) == 5
        store.close()
        with closing(sqlite3.connect(path)) as database:
            revision = database.execute("SELECT version_num FROM alembic_version").fetchone()
        assert revision == (REVISIONS[-1],)
        assert list(tmp_path.glob(f"{path.name}.schema-0001.*"))
        assert not list(tmp_path.glob("*.unfinished*"))
