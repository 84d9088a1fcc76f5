"""Crawl frontiers: queues of requests, each fingerprint once, read in batches.

Source: Scrapy Cloud frontier API (HCF).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

MOST_REQUESTS = 100  # in a batch
BATCH_CHARACTERS = 1024 * 1024
"""A batch whose text is that long is full; it may be longer by its last request."""

_PRIORITY_BYTE = range(256)
_ID = re.compile(r"[0-9a-f]{18}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class SlotName:
    """Which queue: a slot of a frontier of a project."""

    project: int
    frontier: str
    slot: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRequest:
    """A request to be queued, lowest priority first.

    `text` is the JSON of the pair that readers get: fingerprint and queue data. `value` is
    JSON to be kept with the fingerprint.
    """

    fingerprint: str
    priority: int
    text: str
    value: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontierBatch:
    """Some requests of one priority: how many, and their JSON array as text."""

    number: int
    priority: int
    requests: int
    content: str

    @property
    def id(self) -> str:
        """The name of the batch: it begins with the priority in two hexadecimal digits."""
        byte = min(max(self.priority, _PRIORITY_BYTE[0]), _PRIORITY_BYTE[-1])
        return f"{byte:02x}{self.number:016x}"


def number_of(batch_id: str) -> int | None:
    """The number of a batch by its name; None for what is no such name."""
    if not _ID.fullmatch(batch_id):
        return None
    number = int.from_bytes(bytes.fromhex(batch_id)[1:])
    return number if number < 2**63 else None


def batches_of(requests: Iterable[NewRequest]) -> Iterator[tuple[int, int, str]]:
    """Put requests into batches, lowest priority first: priority, how many, JSON array."""
    by_priority: dict[int, list[str]] = {}
    for request in requests:
        by_priority.setdefault(request.priority, []).append(request.text)
    for priority in sorted(by_priority):
        held: list[str] = []
        characters = 0
        for text in by_priority[priority]:
            held.append(text)
            characters += len(text)
            if len(held) == MOST_REQUESTS or characters >= BATCH_CHARACTERS:
                yield priority, len(held), f"[{','.join(held)}]"
                held, characters = [], 0
        if held:
            yield priority, len(held), f"[{','.join(held)}]"
