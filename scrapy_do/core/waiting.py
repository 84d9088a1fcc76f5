"""About how long a job waits for a slot, going by what crawls like those before it have taken."""

import heapq
from collections.abc import Iterable, Sequence


def starts_in(running_s: Sequence[float], ahead_s: Iterable[float], *, slots: int) -> float | None:
    """In how many seconds a slot is free for a job, 0 for at once; None where there are no slots.

    `running_s` is what each running crawl still takes, `ahead_s` what those take that come first,
    in their order. Slots that projects and spiders have for themselves are not looked at.
    """
    free = slots - len(running_s)
    if slots < 1:
        return None
    ends = [max(0.0, left) for left in running_s] + [0.0] * free
    heapq.heapify(ends)
    for _ in range(-free):  # more run than there are slots: so many ends free none
        heapq.heappop(ends)
    for took in ahead_s:
        heapq.heapreplace(ends, ends[0] + took)
    return ends[0]
