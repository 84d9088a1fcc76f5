"""About how long a job waits for a slot."""

from collections.abc import Sequence

import pytest

from scrapy_do.core.waiting import starts_in


@pytest.mark.parametrize(
    ("running_s", "ahead_s", "slots", "expected"),
    [
        ([], [], 2, 0),
        ([60], [], 2, 0),
        ([60, 100], [], 2, 60),
        ([60, -5], [], 2, 0),
        ([60, 100], [30], 2, 90),
        ([60, 100], [300], 2, 100),
        ([60, 100], [300, 5], 2, 105),
        ([60], [10, 10, 10], 2, 30),
        ([60, 100, 20], [], 2, 60),
        ([], [], 0, None),
    ],
)
def test_a_slot_is_free_when_those_before_have_ended(
    running_s: Sequence[float], ahead_s: Sequence[float], slots: int, expected: float | None
) -> None:
    """Each job ahead takes the slot that is free first; the wait ends at the next free one."""
    assert starts_in(running_s, ahead_s, slots=slots) == expected
