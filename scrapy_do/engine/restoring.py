"""An older database takes the place of the present one, and agrees with the disk again.

Nothing is deleted: the database before is set aside, files that the older one does not
know stay where they are. Blocking: run by a command, while no daemon owns the directory.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from scrapy_do.core.filter import JobFilter, StateName, states
from scrapy_do.core.job import Driver, Job, Pending, Running, Starting, Stopping
from scrapy_do.core.pairing import Mark
from scrapy_do.core.transitions import Claimed, Lost, advance
from scrapy_do.engine.pairing import Pair
from scrapy_do.errors import ConfigError, ScrapyDoError, WrongDatabase
from scrapy_do.files.archives import ArchiveStore
from scrapy_do.files.artifacts import ArtifactStore
from scrapy_do.files.runs import RunStore
from scrapy_do.files.trash import Trash
from scrapy_do.store.copies import all_copies, copy_to, put_in_place
from scrapy_do.store.inspection import inspect_file
from scrapy_do.store.removals import Removable
from scrapy_do.store.store import Store, open_store

RAN_SINCE = "the database was restored from a copy that is older than this run"
_MARGIN = timedelta(seconds=2)
_PATIENCE_S = 5.0

_Result = TypeVar("_Result")


@dataclass(slots=True)
class Restored:
    """What was done. `copy` is None when the present database was taken as it is."""

    copy: Path | None
    aside: Path | None = None
    damaged: list[str] = field(default_factory=list)
    archives_back: int = 0
    versions_gone: list[str] = field(default_factory=list)
    jobs_taken_up: int = 0
    jobs_lost: int = 0


def restore(pair: Pair, copy: Path | None, *, in_place: bool) -> Restored:
    """Make a copy the database of a directory; without one, the newest that is whole.

    With `in_place` it is the database that is there already, wherever it came from.

    Raises:
        WrongDatabase: the copy is damaged, or none; nothing was changed.
        ScrapyDoError: there is no copy, or the database cannot be opened.
        OSError: the disk refuses.
    """
    if pair.path is None:
        return _take_as_it_is(pair, in_place=in_place)
    done = Restored(copy=None if in_place else copy)
    if copy is None and not in_place:
        done.copy = _newest(pair.path, done.damaged)
    source = done.copy or pair.path
    # Under a name of its own until all is done: a kill leaves the database that was there.
    made = pair.path.with_name(f"{pair.path.name}.restored")
    found = inspect_file(source, is_ours=in_place, patience_s=_PATIENCE_S)
    if found is None or not found.contents.has_tables:
        raise ScrapyDoError(f"{source}: no database is there")
    copy_to(source, made)
    store = open_store(made)
    try:
        _agree(store, pair, done)
        mark = _following(pair, found.contents.mark)
        store.set_mark(mark)
    finally:
        store.close()
    done.aside = put_in_place(made, pair.path)
    pair.directory.write_mark(mark)
    return done


def _take_as_it_is(pair: Pair, *, in_place: bool) -> Restored:
    """Make a database of PostgreSQL the one of the directory, as somebody has restored it."""
    if not in_place:
        raise ConfigError(
            "scrapy-do",
            "database",
            "copies of a PostgreSQL database are not kept here; restore it with its own tools, "
            "then run `scrapy-do db restore --in-place`",
        )
    done = Restored(copy=None)
    store = pair.take(lambda mark: _following(pair, mark))
    try:
        _agree(store, pair, done)
    finally:
        store.close()
    return done


def _newest(path: Path, damaged: list[str]) -> Path:
    """The newest copy that is whole; the others are listed."""
    for copy in all_copies(path):
        try:
            inspect_file(copy, is_ours=True, patience_s=_PATIENCE_S)
        except WrongDatabase:
            damaged.append(copy.name)
        else:
            return copy
    raise ScrapyDoError(
        f"no copy of {path} is kept that is whole"
        + (f" (damaged: {', '.join(damaged)})" if damaged else "")
    )


def _following(pair: Pair, database: Mark | None) -> Mark:
    """A mark that follows those of both: other copies stay older."""
    try:
        directory = pair.directory.mark()
    except ValueError:
        directory = None
    known = [mark for mark in (directory, database) if mark is not None]
    newest = max((mark.generation for mark in known), default=0)
    return replace(known[0] if known else Mark.new(), generation=newest + 1)


def _agree(store: Store, pair: Pair, done: Restored) -> None:
    """Change a database so that it says nothing which the disk contradicts."""
    directory = pair.directory
    archives = ArchiveStore(directory.archives)
    trash = Trash(directory.trash, age=timedelta.max, now=lambda: datetime.now(UTC))
    _run(_forget_removals(store))
    missing = _run(store.projects.archives_in_use()) - archives.digests()
    gone = {digest for digest in missing if not archives.take_back(digest, trash)}
    done.archives_back = len(missing) - len(gone)
    _run(_remove_versions(store, gone, done))
    newest = {run.job_id: run.attempt for run in RunStore(directory.runs).list()}
    artifacts = ArtifactStore(directory.artifacts)
    wanted = states(StateName.PENDING, StateName.STARTING, StateName.RUNNING, StateName.STOPPING)
    for job in _run(store.jobs.find(JobFilter(states=wanted, limit=None))):
        if job.driver is Driver.CLIENT:
            continue
        moved = _moved(job, newest.get(job.id), artifacts.changed_at(job.id))
        if moved is not None:
            _run(store.jobs.save(moved, expected=job))
            done.jobs_taken_up += job.id in newest
            done.jobs_lost += job.id not in newest


async def _forget_removals(store: Store) -> None:
    """What could go when the copy was made may be needed by what came after it."""
    for kind in (Removable.ARCHIVE, Removable.UPLOAD, Removable.SPIDER_DATA):
        await store.removals.done(kind, await store.removals.all(kind))


async def _remove_versions(store: Store, gone: set[str], done: Restored) -> None:
    for project in await store.projects.all():
        for version in await store.projects.versions(project.name):
            if version.archive.digest in gone:
                await store.projects.remove_version(project.name, version.label)
                done.versions_gone.append(f"{project.name} {version.label}")


def _moved(job: Job, attempt: int | None, changed_at: datetime | None) -> Job | None:
    """The job as the disk knows it, None if it knows no more than the copy.

    `attempt` is that of its run directory, if it has one: then the next daemon finds out
    how the run is or was.
    """
    now = datetime.now(UTC)
    match job.state:
        case Pending() as state if attempt is not None:
            before = replace(job, state=replace(state, attempt=attempt - 1))
            return advance(before, Claimed(), now=now)
        case Pending(since=since):
            if changed_at is None or changed_at <= since + _MARGIN:
                return None
            return advance(advance(job, Claimed(), now=now), Lost(reason=RAN_SINCE), now=now)
        case (Starting() | Running() | Stopping()) as state:
            if attempt is None or attempt == state.attempt:
                return None
            return replace(job, state=replace(state, attempt=attempt))
        case _:
            return None


def _run(coroutine: Coroutine[Any, Any, _Result]) -> _Result:
    """Run what a store without a reactor does at once."""
    return asyncio.run(coroutine)
