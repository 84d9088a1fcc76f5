"""Captured records: batches at numbers, repeated batches, times, and counts that stay exact."""

import fcntl
import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import msgpack
import pytest

from scrapy_do.errors import BadArgument, LogNotFound, NoSpace, StoreUnavailable, TooLarge
from scrapy_do.files.record_stats import (
    FIELD_LIMIT,
    FIELD_NAME_LIMIT,
    RecordKind,
    RecordStats,
    packed_size,
)
from scrapy_do.files.records import GAP_LIMIT, VALUE_LIMIT_BYTES, Record, RecordLog
from scrapy_do.protocol.record_file import RecordReader, RecordWriter, beside


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "items.jsonl"


@pytest.fixture
def items(path: Path) -> RecordLog:
    return RecordLog(path, RecordKind.ITEMS)


def item(number: int, field: str = "x") -> bytes:
    return b'{"%s":%d}' % (field.encode(), number)


def reference_size(value: object) -> int:
    """What the library makes of a value."""
    return len(bytes(msgpack.packb(value)))  # type: ignore[no-untyped-call] # it has no types


def stored(log: RecordLog) -> list[tuple[int, bytes]]:
    return [(record.index, record.line) for record in log.read()]


def recounted(path: Path, kind: RecordKind = RecordKind.ITEMS) -> RecordStats:
    """The counts, without what was remembered."""
    beside(path, ".stats").unlink(missing_ok=True)
    return RecordLog(path, kind).stats()


# --- batches -----------------------------------------------------------------------------------


def test_empty(items: RecordLog) -> None:
    """A job that captured nothing has no records and counts of zero."""
    assert (items.count(), list(items.read())) == (0, [])
    assert RecordStats(input_values=0, input_bytes=0, counts={}) == items.stats()


def test_batches(items: RecordLog) -> None:
    """A batch has one commit time, later than the last batch's."""
    items.write([b'{"a":1}', b'{"a":2}'], now_ms=1000)
    items.write([b'{"a":3}'], now_ms=1000)

    assert [
        Record(index=0, committed_ms=1000, line=b'{"a":1}', value={"a": 1}),
        Record(index=1, committed_ms=1000, line=b'{"a":2}', value={"a": 2}),
        Record(index=2, committed_ms=1001, line=b'{"a":3}', value={"a": 3}),
    ] == list(items.read())
    assert [record.index for record in items.read(1)] == [1, 2]
    assert [record.index for record in items.read(1, 2)] == [1]


def test_no_lines(items: RecordLog) -> None:
    """An empty batch stores nothing, wherever it says to begin."""
    items.write([], now_ms=1)
    items.write([], now_ms=1, start=500)

    assert items.count() == 0


def test_sent_again(items: RecordLog, path: Path) -> None:
    """A batch that is sent again changes neither records, nor times, nor counts."""
    batch = [item(number) for number in range(100)]
    items.write(batch, now_ms=1000, start=0)
    before = (list(items.read()), items.stats(), path.stat().st_ino)

    items.write(batch, now_ms=2000, start=0)
    items.write(batch[20:30], now_ms=2000, start=20)

    assert before == (list(items.read()), items.stats(), path.stat().st_ino)
    assert before[1] == recounted(path)


def test_sent_again_with_more(items: RecordLog) -> None:
    """Of a batch that is known in part only the rest is added."""
    items.write([item(0), item(1)], now_ms=1000, start=0)

    items.write([item(1), item(2)], now_ms=2000, start=1)

    assert [(record.index, record.committed_ms) for record in items.read()] == [
        (0, 1000),
        (1, 1000),
        (2, 2000),
    ]


def test_overwritten(items: RecordLog, path: Path) -> None:
    """Other content under known numbers takes their place; what follows keeps its time."""
    for number in range(6):
        items.write([item(number)], now_ms=1000 + number)

    items.write([item(20, "y"), item(30, "y")], now_ms=2000, start=2)
    items.write([item(6)], now_ms=2000)

    assert [
        (0, 1000, item(0)),
        (1, 1001, item(1)),
        (2, 2000, item(20, "y")),
        (3, 2000, item(30, "y")),
        (4, 1004, item(4)),
        (5, 1005, item(5)),
        (6, 2001, item(6)),
    ] == [(record.index, record.committed_ms, record.line) for record in items.read()]
    assert items.stats().counts == {"x": 5, "y": 2}
    assert items.stats() == recounted(path)


def test_overwritten_beyond_the_end(items: RecordLog, path: Path) -> None:
    """An overwriting batch may be longer than what is there."""
    items.write([item(0), item(1)], now_ms=1000)

    items.write([item(9), item(2), item(3)], now_ms=2000, start=1)

    assert [(0, item(0)), (1, item(9)), (2, item(2)), (3, item(3))] == stored(items)
    assert items.stats() == recounted(path)


def test_gap(items: RecordLog, path: Path) -> None:
    """Records left out are not there, take no part in the counts, and can come later."""
    items.write([item(3)], now_ms=1, start=3)
    assert ([(3, item(3))], 4, 1) == (stored(items), items.count(), items.stats().input_values)

    items.write([item(1)], now_ms=2, start=1)

    assert [(1, item(1)), (3, item(3))] == stored(items)
    assert items.stats() == recounted(path)
    assert items.stats().input_values == 2


def test_gap_too_wide(items: RecordLog, path: Path) -> None:
    """A start far beyond the end is refused before anything is written."""
    with pytest.raises(BadArgument, match="start: only 0 records were written so far"):
        items.write([item(0)], now_ms=1, start=GAP_LIMIT + 1)
    assert path.read_bytes() == b""


def test_too_large(items: RecordLog, path: Path) -> None:
    """One record above 1 MiB refuses the whole batch; one of exactly 1 MiB is stored."""
    whole = b'"' + b"x" * (VALUE_LIMIT_BYTES - 2) + b'"'
    with pytest.raises(TooLarge, match="A record is larger than the limit of 1048576 bytes"):
        items.write([item(0), whole + b" "], now_ms=1)
    assert not path.exists()

    items.write([whole], now_ms=1)
    assert [(0, whole)] == stored(items)


def test_no_directory(tmp_path: Path) -> None:
    """Records of a job without directory are not found when written, and empty when read."""
    log = RecordLog(tmp_path / "nothing/items.jsonl", RecordKind.ITEMS)

    with pytest.raises(LogNotFound):
        log.write([item(0)], now_ms=1)
    assert list(log.read()) == []


def test_locked_by_a_crawl(items: RecordLog, path: Path) -> None:
    """A file that a crawl keeps locked is not waited for without end."""
    path.write_bytes(b"")
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(StoreUnavailable, match="being written by somebody else"):
            items.write([item(0)], now_ms=1)
    assert items.count() == 0


def test_full_disk(items: RecordLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch for which there is no room is refused as a whole."""
    items.write([item(0)], now_ms=1)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(NoSpace, match="no space left to store the records"):
            items.write([item(1)], now_ms=2)
    assert [(0, item(0))] == stored(items)


def test_beside_a_crawl(items: RecordLog, path: Path) -> None:
    """Batches and a crawl's own flushes share the file, also when a batch overwrites."""
    with RecordWriter(path) as crawl:
        for number in range(70):
            crawl.append(item(number))
        crawl.flush(1000)
        items.write([item(70)], now_ms=1000)
        crawl.append(item(71))
        crawl.flush(1000)
        items.write([item(5, "y")], now_ms=3000, start=5)
        crawl.append(item(72))
        crawl.flush(1000)

    assert [(number, item(number, "y" if number == 5 else "x")) for number in range(73)] == (
        stored(items)
    )
    assert [
        record.committed_ms for record in items.read() if record.index in {0, 5, 6, 70, 71, 72}
    ] == [1000, 3000, 1000, 1001, 1002, 3001]
    assert items.stats() == recounted(path)


def test_damaged_lines(items: RecordLog, path: Path) -> None:
    """Lines that are no JSON are left out; the others keep their numbers."""
    deep = b"[" * 100_000 + b"]" * 100_000
    path.write_bytes(b'{"x":0}\n\xff\xfe\n{"x":\n' + deep + b'\nnull\n\n{"x":6}\n{"x":7')

    assert [(0, item(0)), (6, item(6))] == stored(items)
    assert RecordStats(input_values=2, input_bytes=8, counts={"x": 2}) == items.stats()


class Model:
    """What the records should be: lines (or gaps) with their commit times."""

    def __init__(self) -> None:
        self.records: list[tuple[bytes, int] | None] = []
        self.latest_ms = 0

    def write(self, lines: list[bytes], now_ms: int, start: int) -> None:
        committed_ms = max(now_ms, self.latest_ms + 1)
        lines_there = [record[0] if record else b"" for record in self.records[start:]]
        same = 0
        while same < min(len(lines), len(lines_there)) and lines[same] == lines_there[same]:
            same += 1
        new = lines[same:]
        if not new:
            return
        first = start + same
        self.latest_ms = committed_ms
        self.records.extend([None] * (first - len(self.records)))
        self.records[first : first + len(new)] = [(line, committed_ms) for line in new]

    def listed(self) -> list[tuple[int, bytes, int]]:
        return [(at, *record) for at, record in enumerate(self.records) if record]


@pytest.mark.parametrize("seed", range(6))
def test_random_walk(seed: int, items: RecordLog, path: Path) -> None:
    """Whatever is written in whatever order, records, times and counts are as they should be."""
    rng = random.Random(seed)
    model = Model()
    crawl = RecordWriter(path)
    now_ms = 1000
    for step in range(60):
        now_ms += rng.choice([-5, 0, 0, 1, 100])
        count = len(model.records)
        lines = [item(rng.randrange(3), rng.choice("xyz")) for _ in range(rng.randrange(40))]
        match rng.randrange(6):
            case 0:
                for line in lines:
                    crawl.append(line)
                crawl.flush(now_ms)
                model.write(lines, now_ms, count)
            case 1:
                items.write(lines, now_ms=now_ms)
                model.write(lines, now_ms, count)
            case 2:
                start = rng.randrange(count + 1)
                items.write(lines, now_ms=now_ms, start=start)
                model.write(lines, now_ms, start)
            case 3:
                start = count + rng.randrange(80)
                items.write(lines, now_ms=now_ms, start=start)
                model.write(lines, now_ms, start)
            case 4:
                start = rng.randrange(count + 1)
                known = [record[0] for record in model.records[start : start + 50] if record]
                items.write(known, now_ms=now_ms, start=start)
                model.write(known, now_ms, start)
            case _:
                with path.open("ab") as file:
                    file.write(b'{"torn":')
        listed = model.listed()
        assert listed == [(r.index, r.line, r.committed_ms) for r in items.read()], step
        start = rng.randrange(count + 1)
        assert [record for record in listed if record[0] >= start] == [
            (r.index, r.line, r.committed_ms) for r in items.read(start)
        ], step
        assert len(listed) == items.stats().input_values, step
        if step % 10 == 0:
            assert items.stats() == recounted(path), step
    crawl.close(now_ms)


class Crash(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("step", range(12))
def test_crash_while_overwriting(
    step: int, items: RecordLog, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash at any step loses no record, and the batch can be sent again."""
    old = [item(number) for number in range(200)]
    new = [item(number, "y") for number in range(10)]
    items.write(old, now_ms=1000)
    left = step

    def counted(real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **options: object) -> object:
            nonlocal left
            left -= 1
            if left < 0:
                raise Crash
            return real(*arguments, **options)

        return call

    changed = [*old[:70], *new, *old[80:]]
    with monkeypatch.context() as patched:
        for name in ("fsync", "ftruncate", "sendfile", "replace", "rename", "unlink"):
            patched.setattr(os, name, counted(getattr(os, name)))
        try:
            items.write(new, now_ms=2000, start=70)
        except Crash:
            pass
        else:
            assert changed == [record.line for record in items.read()]

    assert [record.line for record in items.read()] in (old, changed)
    assert old[190:] == [record.line for record in items.read(190)]
    items.write(new, now_ms=3000, start=70)
    assert changed == [record.line for record in items.read()]
    assert items.stats() == recounted(path)


# --- counts ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("batch", "size_bytes"),
    [
        ([{"x": number} for number in range(111)], 444),
        ([{"uuid": number} for number in range(1211)], 10515),
    ],
)
def test_item_stats(batch: list[object], size_bytes: int, items: RecordLog) -> None:
    """The size of items is their size as msgpack."""
    items.write([json.dumps(value).encode() for value in batch], now_ms=1)

    assert (len(batch), size_bytes) == (items.stats().input_values, items.stats().input_bytes)


def test_hidden_fields(items: RecordLog) -> None:
    """Fields that begin with an underscore are counted, and can be left out."""
    items.write([b'{"_type":"a","name":null}', b'{"name":1,"":2}', b"[1]"], now_ms=1)

    assert items.stats().counts == {"_type": 1, "name": 2, "": 1}
    assert items.stats().visible_counts() == {"name": 2, "": 1}


def test_log_stats(path: Path) -> None:
    """Log lines are counted by level, and weigh their message in UTF-8 and one byte more."""
    logs = RecordLog(path, RecordKind.LOGS)
    messages = [(10, "a"), (20, "é"), (20, ""), (40, "bbbb")]
    lines = [
        json.dumps({"time": 1, "level": level, "message": text}).encode()
        for level, text in messages
    ]

    logs.write(lines, now_ms=1)

    assert (
        RecordStats(input_values=4, input_bytes=2 + 3 + 1 + 5, counts={"10": 1, "20": 2, "40": 1})
        == logs.stats()
    )
    assert logs.stats() == recounted(path, RecordKind.LOGS)


def test_request_stats(path: Path) -> None:
    """Requests count the fields that they have and weigh five of them and three bytes."""
    requests = RecordLog(path, RecordKind.REQUESTS)
    first = {"url": "http://a/", "status": 200, "method": "GET", "rs": 1337, "duration": 5}
    second = first | {"parent": 0, "fp": "abc", "time": 1}
    third = first | {"parent": None, "fp": None}

    requests.write([json.dumps(value).encode() for value in (first, second, third)], now_ms=1)

    sizes = [
        sum(reference_size(value.get(field)) for field in fields)
        for value in (first, second, third)
        for fields in [("url", "parent", "status", "rs", "duration")]
    ]
    everywhere = dict.fromkeys(("url", "status", "method", "rs", "duration"), 3)
    assert (
        RecordStats(
            input_values=3, input_bytes=sum(sizes) + 9, counts={**everywhere, "parent": 1, "fp": 1}
        )
        == requests.stats()
    )


def test_odd_values(path: Path) -> None:
    """Records of an unexpected shape are counted without fields."""
    for kind in RecordKind:
        path.unlink(missing_ok=True)
        beside(path, ".stats").unlink(missing_ok=True)
        log = RecordLog(path, kind)
        log.write([b"[1,2]", b'"text"', b"5", b'{"message":5}'], now_ms=1)
        assert log.stats().input_values == 4


def test_samples(path: Path) -> None:
    """Samples are arrays and come back as they are."""
    samples = RecordLog(path, RecordKind.SAMPLES)
    samples.write([b"[1482233732452,0,0]"], now_ms=1)

    assert [record.value for record in samples.read()] == [[1482233732452, 0, 0]]


def test_too_many_fields(items: RecordLog) -> None:
    """A crawl that invents field names for ever is counted up to a limit."""
    line = json.dumps({str(number): 0 for number in range(FIELD_LIMIT + 5)} | {"z" * 300: 1})
    items.write([line.encode()] * 2, now_ms=1)
    items.write([json.dumps({"y" * FIELD_NAME_LIMIT: 1}).encode()], now_ms=1)

    assert {str(number): 2 for number in range(FIELD_LIMIT)} == items.stats().counts


def test_folded_in(items: RecordLog, path: Path) -> None:
    """What a crawl wrote since the last count is added to it."""
    with RecordWriter(path) as crawl:
        for batch in range(5):
            for number in range(30):
                crawl.append(item(number, f"field{batch}"))
            crawl.flush(batch)
            assert (batch + 1) * 30 == items.stats().input_values
    assert {f"field{batch}": 30 for batch in range(5)} == items.stats().counts


@pytest.mark.parametrize(
    "remembered",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xff",
        b'{"end":8,"mark":0,"input_values":9,"input_bytes":9,"counts":{"x":9}}',
        b'{"end":800,"mark":0,"input_values":9,"input_bytes":9,"counts":{"x":9}}',
        b'{"end":0,"mark":0,"input_values":9,"input_bytes":9,"counts":{"x":9}}',
        b'{"end":"8","mark":0,"input_values":9,"input_bytes":9,"counts":{"x":9}}',
        b'{"end":16,"mark":MARK,"input_values":9,"input_bytes":9,"counts":{"x":"9"}}',
        b'{"end":16,"mark":MARK,"input_values":9,"input_bytes":9,"counts":[9]}',
    ],
)
def test_remembered_counts_damaged(remembered: bytes, items: RecordLog, path: Path) -> None:
    """Remembered counts that do not fit the records are not believed."""
    items.write([item(0), item(1)], now_ms=1)
    right = items.stats()
    mark = json.loads(beside(path, ".stats").read_bytes())["mark"]
    beside(path, ".stats").write_bytes(remembered.replace(b"MARK", b"%d" % mark))

    assert right == items.stats()


def test_records_lost_under_the_counts(items: RecordLog, path: Path) -> None:
    """When records that were counted are lost and others come, the counts begin anew."""
    items.write([item(number) for number in range(50)], now_ms=1)
    path.write_bytes(b"".join(item(0, "y") + b"\n" for _ in range(60)))

    assert items.stats().counts == {"y": 60}


def test_counts_cannot_be_saved(items: RecordLog, path: Path) -> None:
    """Counts that cannot be remembered are right all the same."""
    with RecordWriter(path) as crawl:
        crawl.append(item(1))
        crawl.flush(1)
    beside(path, ".stats").mkdir()

    assert [items.stats().input_values for _ in range(2)] == [1, 1]


BOUNDARIES = [
    *(sign * (2**bits + delta) for bits in range(64) for delta in (-1, 0, 1) for sign in (1, -1)),
    2**64 - 1,
]


def test_packed_size_of_numbers() -> None:
    """Every integer that msgpack has takes its shortest form; floats take nine bytes."""
    fitting = [number for number in BOUNDARIES if -(2**63) <= number < 2**64]

    assert [reference_size(number) for number in fitting] == list(map(packed_size, fitting))
    assert [packed_size(number) for number in (0.0, 1e300, 2**64)] == [9, 9, 9]


@pytest.mark.parametrize("length", [0, 1, 15, 16, 31, 32, 255, 256, 65_535, 65_536])
def test_packed_size_of_lengths(length: int) -> None:
    """Texts, arrays and objects have headers by their length, texts in UTF-8."""
    values: list[object] = ["x" * length, "é" * length, [None] * length]
    values.append({str(number): True for number in range(length)})

    assert [reference_size(value) for value in values] == list(map(packed_size, values))


def test_packed_size_of_anything() -> None:
    """Nested values weigh what they weigh as msgpack, however deep."""
    rng = random.Random(7)

    def value(depth: int) -> object:
        plain = [None, True, rng.random(), rng.getrandbits(63), -rng.getrandbits(31), "€" * 40]
        members = [value(depth + 1) for _ in range(rng.randrange(20))] if depth < 3 else []
        return rng.choice(
            [rng.choice(plain), members, dict(zip("abcdefghijklmnopqrst", members, strict=False))]
        )

    for _ in range(100):
        one = value(0)
        assert reference_size(one) == packed_size(one)
    deep: object = None
    for _ in range(10_000):
        deep = [deep]
    assert packed_size(deep) == 10_001
    assert packed_size("\ud800") == 4


def test_reader_of_a_replaced_file(items: RecordLog, path: Path) -> None:
    """A reader at work while a batch overwrites goes on with what it began to read."""
    lines = [item(number) for number in range(100)]
    items.write(lines, now_ms=1)
    reading = RecordReader(path).read()
    first = next(reading)

    items.write([item(0, "y")] * 100, now_ms=2, start=0)

    assert lines == [first, *reading]
