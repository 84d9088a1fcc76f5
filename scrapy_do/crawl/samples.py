"""What a crawl notes of itself now and then, for curves: its queue and its memory.

Source: Scrapy Cloud, whose samples are arrays that begin with a time; the first two numbers
behind it are those that its own crawls note. The third one is ours.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scrapy_do.crawl.capture import Capture

OFTEN_S, SELDOM_S = 5.0, 60.0
_OFTEN_UNTIL_S = 3600.0
_OWN = (b"Private_Clean:", b"Private_Dirty:")
_ROLLUP = Path("/proc/self/smaps_rollup")


class Samples:
    """Takes a sample every 5 s in the first hour of a crawl, then every minute, and at its end.

    Instants are seconds of a clock that only goes forward.
    """

    def __init__(self, capture: Capture) -> None:
        self._capture = capture
        self._began_s = self._taken_s = 0.0

    def begin(self, now_s: float) -> None:
        """The crawl begins."""
        self._began_s = self._taken_s = now_s

    def is_due(self, now_s: float) -> bool:
        """Whether it is time for another one."""
        every_s = OFTEN_S if now_s - self._began_s < _OFTEN_UNTIL_S else SELDOM_S
        return now_s - self._taken_s >= every_s

    def take(self, stats: Mapping[str, Any], *, now_s: float, time_ms: int) -> None:
        """Note the requests put into the queue and taken out, and the memory in bytes."""
        self._taken_s = now_s
        queued = [stats.get(f"scheduler/{name}", 0) for name in ("enqueued", "dequeued")]
        memory = own_memory_bytes()
        sample = [time_ms, *queued, *([] if memory is None else [memory])]
        self._capture.append(json.dumps(sample).encode())


def own_memory_bytes() -> int | None:
    """The memory that this process shares with no other; None where the system does not say.

    It is what `memory-limit` is about: crawls that are forked from one parent share the rest.
    """
    try:
        lines = _ROLLUP.read_bytes().splitlines()
    except OSError:
        return None
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith(_OWN))
