"""The facts of a crawl that pass from its holder to the row of its job, each defined once.

The holder and the crawl write them, the launcher reads them, the core decides by them, the
store keeps them: all of them these very values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # a holder lives as long as its crawl and knows no dates
    from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """Which process: a pid alone is recycled, the three together never are.

    `start_ticks` counts clock ticks since boot.
    """

    pid: int
    start_ticks: int
    boot_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What a crawl has done so far, as it says itself. `stats` are Scrapy's own, as JSON.

    `requests` were sent, also again after a redirect or a failure; `responses` came, each
    with a record of its request. `errors` are log lines of level ERROR and above. `reported_at`
    is when this was said: it does not make two reports differ.
    """

    items: int = 0
    requests: int = 0
    responses: int = 0
    log_lines: int = 0
    errors: int = 0
    stats: Mapping[str, Any] = field(default_factory=dict)
    reported_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a crawl ended, and what the crawl itself said about it.

    Exactly one of `status`, `signal`, `lost` and `damaged` is set; `lost` says why nothing
    better is known, `damaged` what is wrong with what was found. `close_reason` is None when
    Scrapy never closed the spider. `opened` says whether the spider was opened; for a lost
    crawl it is True when that is unknown. `ended_at` of a lost crawl is when its loss was
    found. `printed_errors` are those of the errors that were not logged but printed to stderr.
    `out_of_memory` is True for a crawl that was killed while the kernel killed for lack of
    memory: it does not tell whom.
    """

    ended_at: datetime
    status: int | None = None
    signal: int | None = None
    out_of_memory: bool = False
    lost: str | None = None
    damaged: str | None = None
    opened: bool = False
    close_reason: str | None = None
    progress: Progress = field(default_factory=Progress)
    printed_errors: int = 0

    def __post_init__(self) -> None:
        causes = (self.status, self.signal, self.lost, self.damaged)
        if len([one for one in causes if one is not None]) != 1:
            raise ValueError("exactly one of status, signal, lost and damaged must be given")
