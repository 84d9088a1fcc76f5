"""Whatever was acknowledged is on the disk after a power loss, whatever else is not.

See Note [What a power loss may leave] in `lost_power`.
"""

import hashlib
import random
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import UUID

import pytest

from tests.faults.conftest import Lives
from tests.faults.life import PROJECT, Life
from tests.faults.lost_power import Disk, is_over, wrapper
from tests.live.running import until

STATES = 2000
_CALLS = 60
_DATABASE = "scrapy-do.db"

Promise = Callable[[sqlite3.Connection, Path], bool]
"""Whether a database, and the directory it is in, holds what an answer has promised."""


def _ask(life: Life, rng: random.Random) -> list[Promise]:
    """Make calls one after another; return what each answer promises."""
    jobs: list[str] = []
    orders: list[str] = []
    promises: list[Promise] = []
    for number in range(_CALLS):
        match rng.choice(("job", "job", "order", "cancel", "pause", "push")):
            case "cancel" if jobs:
                job = jobs.pop()
                life.call("/cancel-job.json", id=job)
                promises.append(_has("jobs", job, "state NOT IN ('pending', 'starting')"))
            case "pause" if orders:
                order = orders.pop()
                life.call("/pause-schedule.json", id=order)
                promises.append(_has("schedules", order, "state = 'paused'"))
            case "push":
                push = life.send_push()
                life.finish_push(push)
                promises.append(_has_version(f"v{len(life.history.pushed) - 1}"))
            case "order":
                form = {"project": PROJECT, "spider": "marker", "when": f"every {number + 1} hours"}
                _, answer = life.call("/schedule-job.json", **form)
                orders.append(answer["identifier"])
                promises.append(_has("schedules", orders[-1]))
            case _:
                jobs.append(life.accepted(seconds=0))
                promises.append(_has("jobs", jobs[-1]))
    return promises


def _has(table: str, identifier: str, condition: str = "1") -> Promise:
    query = f"SELECT count(*) FROM {table} WHERE id = ? AND {condition}"

    def holds(database: sqlite3.Connection, _: Path) -> bool:
        return bool(database.execute(query, [UUID(identifier).hex]).fetchone()[0])

    return holds


def _has_version(label: str) -> Promise:
    def holds(database: sqlite3.Connection, data: Path) -> bool:
        found = database.execute("SELECT digest FROM versions WHERE label = ?", [label]).fetchone()
        if found is None:
            return False
        return any(
            hashlib.sha256(path.read_bytes()).hexdigest() == found[0]
            for path in (data / "archives").rglob(f"*{found[0]}*")
            if path.is_file()
        )

    return holds


def _faults(data: Path, promises: Sequence[Promise]) -> list[str]:
    """Look at a directory as the next daemon would find it."""
    database = sqlite3.connect(data / _DATABASE)
    try:
        (state,) = database.execute("PRAGMA quick_check").fetchone()
        found = [] if state == "ok" else [f"corrupt: {state}"]
        broken = [number for number, holds in enumerate(promises) if not holds(database, data)]
        return found + [f"answer {number} of {len(promises)} is lost" for number in broken]
    except sqlite3.DatabaseError as error:
        return [f"corrupt: {error}"]
    finally:
        database.close()


def _rebuild(files: dict[Path, bytes], data: Path, place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    for path, content in files.items():
        target = place / path.relative_to(data)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def _escaped(text: str) -> str:
    return "".join(f"\\x{one:02x}" for one in text.encode())


def _left(tmp_path: Path, *calls: str) -> set[tuple[tuple[str, bytes], ...]]:
    """What a power loss may leave after calls of thread 7, in which @ is the name of a file."""
    trace = tmp_path / "trace"
    name = _escaped(str(tmp_path / "disk" / "a"))
    trace.write_text("".join(f"7 {call}\n".replace("@", f'"{name}"') for call in calls))
    disk = Disk(tmp_path / "disk", 7)
    for _ in disk.replay(trace):
        pass
    rng, wanted = random.Random(1), [tmp_path / "disk"]
    states = (disk.after_loss(rng, wanted) for _ in range(200))
    return {tuple((path.name, content) for path, content in state.items()) for state in states}


_OPEN = "openat(AT_FDCWD, @, O_WRONLY|O_CREAT, 0600) = 3"
_WRITE = f'write(3, "{_escaped("new")}", 3) = 3'


def test_what_was_not_synced_may_be_gone(tmp_path: Path) -> None:
    """The content of a file needs a sync of the file, its name one of the directory."""
    name = _escaped(str(tmp_path / "disk"))
    sync_names = (f'openat(AT_FDCWD, "{name}", O_RDONLY|O_DIRECTORY) = 5', "fsync(5) = 0")
    gone: tuple[tuple[str, bytes], ...] = ()
    empty, whole = (("a", b""),), (("a", b"new"),)

    assert _left(tmp_path, _OPEN, _WRITE) == {gone, empty, whole}
    assert _left(tmp_path, _OPEN, _WRITE, "fsync(3) = 0") == {gone, whole}
    assert _left(tmp_path, _OPEN, _WRITE, *sync_names) == {empty, whole}
    assert _left(tmp_path, _OPEN, _WRITE, "fsync(3) = 0", *sync_names) == {whole}


def test_a_call_that_failed_did_nothing(tmp_path: Path) -> None:
    """A write that the system refused is not on the disk, one in two lines of the trace is."""
    begun, resumed = f'write(3, "{_escaped("new")}", 3 <unfinished ...>', "<... write resumed>) = 3"
    refused = "write(3, " + _WRITE.partition(", ")[2].replace("= 3", "= -1 ENOSPC (No space)")

    assert (("a", b"new"),) not in _left(tmp_path, _OPEN, refused)
    assert (("a", b"new"),) in _left(tmp_path, _OPEN, begun, resumed)


@pytest.mark.live
@pytest.mark.faults
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.timeout(600)
def test_nothing_acknowledged_is_lost_with_the_power(
    lives: Lives, pushed: Path, tmp_path: Path
) -> None:
    """In 2,000 states that a power loss may leave: nothing acknowledged is lost or corrupt."""
    trace, rng = tmp_path / "trace", random.Random(20261125)
    life = lives.made(*wrapper(trace), scrapy_do_job_slots=1)
    lives.inherit(life)
    daemon = life.pid
    promises = _ask(life, rng)
    life.stop()
    until(lambda: is_over(trace, daemon), "the end of the trace")

    def traced() -> Disk:
        disk = Disk(life.data, daemon)
        disk.load(pushed)
        return disk

    last = traced()
    moments = sum(1 for _ in last.replay(trace))
    wanted = [life.data / _DATABASE, life.data / f"{_DATABASE}-wal", life.data / "archives"]
    chosen = sorted(rng.choices(range(moments), k=STATES))
    found: list[str] = []
    disk = traced()
    for moment, _ in enumerate(disk.replay(trace)):
        while chosen and chosen[0] == moment:
            chosen.pop(0)
            _rebuild(disk.after_loss(rng, wanted), life.data, tmp_path / "rebuilt")
            kept = promises[: disk.answers]
            found += [f"call {moment}: {one}" for one in _faults(tmp_path / "rebuilt", kept)]

    assert last.answers == len(promises) == _CALLS
    assert not chosen
    assert found == []
