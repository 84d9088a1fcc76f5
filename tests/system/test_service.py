"""The one list of services: its order, there and back."""

import pytest

from scrapy_do.system.service import CRASH, Farewell, Services
from tests.http_client import completed

STOP = Farewell(leave_crawls=False)


class Told:
    """A service that notes what it is told, and fails where it should."""

    def __init__(self, name: str, notes: list[object], *failing: str) -> None:
        self.name = name
        self.problem: str | None = None
        self._notes = notes
        self._failing = failing

    async def start(self) -> None:
        self._say("start", self.name)

    async def stop(self, farewell: Farewell) -> None:
        self._say("stop", (self.name, farewell))

    def _say(self, act: str, note: object) -> None:
        self._notes.append(note)
        if act in self._failing:
            raise ValueError(self.name)


def test_services_stop_in_the_opposite_order() -> None:
    """What was started last is stopped first, and everybody hears how."""
    notes: list[object] = []
    services = Services([Told("a", notes), Told("b", notes)])
    completed(services.start())
    completed(services.stop(STOP))
    assert notes == ["a", "b", ("b", STOP), ("a", STOP)]


def test_a_start_that_fails_is_undone() -> None:
    """What had been started is stopped as after a crash; what had not is left alone."""
    notes: list[object] = []
    services = Services([Told("a", notes), Told("b", notes, "start"), Told("c", notes)])
    with pytest.raises(ValueError, match="b"):
        completed(services.start())
    assert notes == ["a", "b", ("a", CRASH)]


def test_a_service_that_does_not_stop_keeps_no_other_from_it() -> None:
    """All are stopped; the first failure is told at the end."""
    notes: list[object] = []
    services = Services([Told("a", notes, "stop"), Told("b", notes, "stop"), Told("c", notes)])
    completed(services.start())
    with pytest.raises(ValueError, match="b"):
        completed(services.stop(STOP))
    assert notes[3:] == [("c", STOP), ("b", STOP), ("a", STOP)]


def test_problems_are_told_by_name() -> None:
    """A service that is well is not mentioned."""
    well, ill = Told("a", []), Told("b", [])
    ill.problem = "it stands still"
    assert Services([well, ill]).problems() == {"b": "it stands still"}
