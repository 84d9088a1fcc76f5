"""Lines about who did what: stored together, none lost for a database that is away a while."""

from pathlib import Path

import pytest

from scrapy_do.core.accounts import AuditLine
from scrapy_do.engine import audit_trail as module
from scrapy_do.errors import StoreUnavailable
from scrapy_do.system.service import Farewell
from tests.factories import at
from tests.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def line(subject: str, seconds: float = 0) -> AuditLine:
    return AuditLine(at=at(seconds), principal="ann", address="", action="push", subject=subject)


def stored(world: World) -> list[str]:
    return [one.subject for one in world.do(world.store.audit.find(before=None, limit=1000))]


def test_lines_are_gathered(world: World) -> None:
    """What comes within half a second is one transaction, in its order."""
    for subject in ("a", "b"):
        world.parts.audit.note(line(subject))
    before = stored(world)
    world.clock.advance(module.GATHERED_S)
    assert (before, stored(world)) == ([], ["b", "a"])


def test_a_stop_stores_what_waits(world: World) -> None:
    """Nothing that was noted is lost by a stop."""
    world.parts.audit.note(line("a"))
    world.do(world.parts.audit.stop(Farewell(leave_crawls=False, hand_over=False)))
    assert stored(world) == ["a"]


def test_a_database_that_is_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service is not well then; lines wait, within a bound, and are stored in their order."""

    async def refuse(_lines: object) -> None:
        raise StoreUnavailable("locked")

    with monkeypatch.context() as away:
        away.setattr(world.store.audit, "add", refuse)
        away.setattr(module, "MOST_WAITING", 3)
        for number in range(5):
            world.parts.audit.note(line(str(number)))
        world.clock.advance(1)
        problem = world.parts.audit.problem
    world.clock.advance(module.AGAIN_S)
    assert (problem, world.parts.audit.problem) == ("locked", None)
    assert stored(world) == ["2", "1", "0"]
    world.parts.audit.note(line("after"))
    world.clock.advance(1)
    assert stored(world) == ["after", "2", "1", "0"]


def test_old_lines_are_removed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """By age, and by number; the newest stay."""
    monkeypatch.setattr("scrapy_do.engine.pruner.MOST_AUDIT_LINES", 3)
    world.do(world.store.audit.add([line(str(n), n * 10) for n in range(6)]))
    world.clock.advance(100)
    world.do(world.pruner().prune())
    by_number = stored(world)
    world.do(world.pruner(audit_age_s=55).prune())
    assert (by_number, stored(world)) == (["5", "4", "3"], ["5"])
