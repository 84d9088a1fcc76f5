"""Records of jobs for every dialect: streams of lines, writers that take turns."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from twisted.internet.defer import Deferred

from scrapy_do.core.job import Driver, Job, JobRequest, NewJob, Running
from scrapy_do.files.record_blocks import BLOCK_BYTES, Block, Place, intact, read_block
from scrapy_do.operations.records import DataOperations, RecordKind
from scrapy_do.protocol.record_file import RecordWriter, beside
from tests.factories import at
from tests.http_client import completed
from tests.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.put_project()
    return world


@pytest.fixture
def job(world: World) -> Job:
    new = NewJob(
        id=UUID(int=1),
        request=JobRequest(project="quotesbot", spider="toscrape-css"),
        driver=Driver.CLIENT,
        state=Running(since=at(0), attempt=1, process=None),
        created_at=at(0),
    )
    return world.do(world.store.jobs.add(new))


async def once(*lines: bytes) -> AsyncIterator[Sequence[bytes]]:
    yield lines


async def gathered(pieces: AsyncGenerator[bytes, None]) -> list[bytes]:
    return [piece async for piece in pieces]


def stream(world: World, job: Job, start: int = 0, stop: int | None = None) -> list[bytes]:
    lines = world.operations.data.stream_lines(job.id, RecordKind.ITEMS, start, stop)
    return completed(gathered(lines))


def write(world: World, job: Job, *lines: bytes, start: int | None = None) -> None:
    written = world.operations.data.write(job.key, RecordKind.ITEMS, once(*lines), start=start)
    completed(written)


# --- streams of lines --------------------------------------------------------------------------


def test_stream_of_nothing(world: World, job: Job) -> None:
    """A job without records, and no job, have no lines."""
    assert [] == stream(world, job)
    other = world.operations.data.stream_lines(UUID(int=9), RecordKind.LOGS)
    assert [] == completed(gathered(other))


@pytest.mark.parametrize(
    ("start", "stop", "wanted"),
    [
        (0, None, range(200)),
        (0, 0, ()),
        (5, 5, ()),
        (7, 3, ()),
        (63, 66, range(63, 66)),
        (150, None, range(150, 200)),
        (199, 500, (199,)),
        (200, None, ()),
        (10**9, None, ()),
        (0, 200, range(200)),
        (3, 199, range(3, 199)),
    ],
)
def test_stream_of_a_part(
    world: World, job: Job, start: int, stop: int | None, wanted: Sequence[int]
) -> None:
    """A stream begins and ends at the numbers that are asked for, wherever blocks end."""
    lines = [b'{"n":%d,"x":"%s"}' % (n, b"x" * (20_000 + 997 * (n % 7))) for n in range(200)]
    write(world, job, *lines)

    found = b"".join(stream(world, job, start, stop))

    assert [lines[number] for number in wanted] == found.splitlines()


def test_blocks_are_whole_and_bounded(world: World, job: Job) -> None:
    """A stream comes in blocks of whole lines; a record that is larger is one of its own."""
    lines = [b'{"x":"%s"}' % (b"x" * size) for size in (100_000, 100_000, 900_000, 5, 100_000)]
    write(world, job, *lines)

    found = stream(world, job)

    assert lines == b"".join(found).splitlines()
    assert all(block.endswith(b"\n") for block in found)
    assert all(len(block) <= BLOCK_BYTES or block.count(b"\n") == 1 for block in found)


def test_stream_leaves_out_gaps_and_damage(world: World, job: Job) -> None:
    """There is never an empty line, nor one that is no JSON."""
    path = world.artifacts.prepare(job.id) / "items.jsonl"
    path.write_bytes(b'\n\n{"n":2}\n{"n":\n\n[1]\n"x"\nnull\n{"n":8}\n{"torn"')

    assert b'{"n":2}\n[1]\n"x"\n{"n":8}\n' == b"".join(stream(world, job))
    assert b'"x"\n{"n":8}\n' == b"".join(stream(world, job, 6, 9))
    assert b"" == intact(b"\n\n")


def test_stream_of_a_file_that_is_replaced(world: World, job: Job) -> None:
    """An overwrite between two blocks moves no record of the stream."""
    lines = [b'{"n":%d,"x":"%s"}' % (n, b"x" * 50_000) for n in range(30)]
    write(world, job, *lines)
    pieces = world.operations.data.stream_lines(job.id, RecordKind.ITEMS)

    async def read() -> bytes:
        found: list[bytes] = []
        async for piece in pieces:
            if not found:
                await world.operations.data.write(job.key, RecordKind.ITEMS, once(b"{}"), start=0)
            found.append(piece)
        return b"".join(found)

    assert lines == completed(read()).splitlines()
    assert [b"{}", *lines[1:]] == b"".join(stream(world, job)).splitlines()


def test_stream_of_a_file_without_an_index(world: World, job: Job) -> None:
    """The index makes reading fast, not right."""
    lines = [b'{"n":%d}' % n for n in range(1000)]
    write(world, job, *lines)
    beside(world.artifacts.prepare(job.id) / "items.jsonl", ".index").unlink()

    assert lines[700:] == b"".join(stream(world, job, 700)).splitlines()


def test_lines_above_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line above the limit of the format is a gap; the records behind it keep their numbers."""
    monkeypatch.setattr("scrapy_do.protocol.record_file.LINE_LIMIT_BYTES", 600_000)
    path = tmp_path / "items"
    path.write_bytes(b'{"a":"%s"}\n{"b":1}\n' % (b"x" * 700_000))

    first = read_block(path, Place(record=0))
    assert first.after is not None
    second = read_block(path, first.after)

    assert (Block(first=0, lines=b"\n", after=first.after), b'{"b":1}\n') == (first, second.lines)
    assert (1, None) == (second.first, second.after)


# --- writing -----------------------------------------------------------------------------------


def test_pieces_of_a_large_batch_follow_each_other(
    world: World, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch beyond what is held in memory is stored in pieces, in order, from its start on."""
    monkeypatch.setattr("scrapy_do.operations.records.COMMIT_BYTES", 1000)
    lines = [b'{"n":%d,"x":"%s"}' % (n, b"x" * 300) for n in range(20)]

    async def runs() -> AsyncIterator[Sequence[bytes]]:
        for first in range(0, 20, 3):
            yield lines[first : first + 3]

    completed(world.operations.data.write(job.key, RecordKind.ITEMS, runs(), start=2))
    completed(world.operations.data.write(job.key, RecordKind.ITEMS, runs()))

    assert [*lines, *lines] == b"".join(stream(world, job)).splitlines()
    assert 42 == world.artifacts.records(job.id, RecordKind.ITEMS).count()


def test_writers_take_turns(world: World, job: Job) -> None:
    """Two batches without a start, sent at the same time, are both stored whole."""
    waiting: list[tuple[Deferred[Any], Callable[[], Any]]] = []

    async def later(function: Callable[[], Any]) -> Any:
        turn: Deferred[Any] = Deferred()
        waiting.append((turn, function))
        return await turn

    data = DataOperations(
        store=world.store,
        artifacts=world.artifacts,
        runtime=replace(world.runtime, in_thread=later),
    )
    ends = [
        Deferred.fromCoroutine(data.write(job.key, RecordKind.ITEMS, once(*lines)))
        for lines in ([b'{"a":1}', b'{"a":2}'], [b'{"b":1}', b'{"b":2}'])
    ]
    at_once = len(waiting)
    while waiting:
        turn, function = waiting.pop()
        turn.callback(function())

    assert (1, [True, True]) == (at_once, [end.called for end in ends])
    assert b'{"a":1}\n{"a":2}\n{"b":1}\n{"b":2}\n' == b"".join(stream(world, job))
    assert 4 == world.job(job.id).progress.items


def test_a_crawl_and_a_client_write_together(world: World, job: Job) -> None:
    """A crawl's own writer and batches of a client lose nothing of each other."""
    directory = world.artifacts.prepare(job.id)
    with RecordWriter(directory / "items.jsonl") as crawl:
        for number in range(50):
            crawl.append(b'{"crawl":%d}' % number)
            if number % 10 == 9:
                crawl.flush(number)
                write(world, job, b'{"client":%d}' % number)

    found = b"".join(stream(world, job))
    assert (50, 5) == (found.count(b"crawl"), found.count(b"client"))


def test_block_size(tmp_path: Path) -> None:
    """However small the blocks are, all records come once and in order."""
    path = tmp_path / "items"
    lines = [b'{"n":%d,"x":"%s"}' % (n, b"x" * (n % 40)) for n in range(300)]
    path.write_bytes(b"\n".join([*lines, b""]))
    found: list[bytes] = []
    place: Place | None = Place(record=0)
    while place is not None:
        block = read_block(path, place, size_bytes=64)
        assert (block.first, len(found)) == (place.record, place.record)
        found += block.lines.splitlines()
        place = block.after

    assert lines == found
