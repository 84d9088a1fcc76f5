"""What a crawl notes of itself for curves."""

import json
from pathlib import Path

import pytest

from scrapy_do.crawl.capture import Capture
from scrapy_do.crawl.samples import Samples, own_memory_bytes


@pytest.mark.parametrize(
    ("age_s", "since_s", "is_due"),
    [(4.9, 4.9, False), (5, 5, True), (3599, 5, True), (3601, 5, False), (7200, 60, True)],
)
def test_samples_are_often_at_first(
    tmp_path: Path, age_s: float, since_s: float, *, is_due: bool
) -> None:
    """Every 5 s in the first hour, every minute from then on."""
    samples = Samples(Capture(tmp_path / "samples.jsonl", durable=False))
    samples.begin(100.0)
    samples.take({}, now_s=100.0 + age_s - since_s, time_ms=1)
    assert samples.is_due(100.0 + age_s) is is_due


def test_a_sample_has_its_time_queue_and_memory(tmp_path: Path) -> None:
    """What a crawl has not counted yet is 0."""
    capture = Capture(tmp_path / "samples.jsonl", durable=False)
    Samples(capture).take({"scheduler/enqueued": 7}, now_s=0, time_ms=42)
    capture.close()

    time_ms, enqueued, dequeued, memory_bytes = json.loads(
        (tmp_path / "samples.jsonl").read_bytes()
    )
    assert (time_ms, enqueued, dequeued) == (42, 7, 0)
    assert memory_bytes > 1 << 20


def test_memory_that_is_held_is_counted() -> None:
    """The memory of a process grows by what it fills."""
    before = own_memory_bytes()
    held = bytearray(b"x") * (32 << 20)
    after = own_memory_bytes()
    assert before is not None
    assert after is not None
    assert after - before >= len(held) * 0.9
