"""A random walk of a scheduler beside a model that is nothing but lists of planned instants.

The model knows, for each schedule, which instants its grid has and up to where they must
have been dealt with. Whatever happens in between, each of them is exactly one job, one miss
or one skip, and each that went by in a pause is listed as such.
"""

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
)

from scrapy_do.core.schedule import (
    CatchUp,
    Counts,
    Overlap,
    Policies,
    Schedule,
    ScheduleEventKind,
    ScheduleState,
)
from scrapy_do.core.schedule_rules import ScheduleRequest
from tests.engine.scheduling import SchedulingWorld
from tests.factories import ANN, START

BERLIN = ZoneInfo("Europe/Berlin")
BEGIN = datetime(2026, 10, 24, 20, 0, 7, tzinfo=UTC)
"""The evening before the clocks of Berlin go back."""

DAY = timedelta(days=1)
CORRECTION = timedelta(hours=3)

Instants = Callable[[datetime, datetime], Iterator[datetime]]


# --- the grids, in the plainest way ------------------------------------------------------------


def every_minutes(number: int, anchor: datetime) -> Instants:
    def instants(after: datetime, until: datetime) -> Iterator[datetime]:
        instant = anchor
        while (instant := instant + timedelta(minutes=number)) <= until:
            if instant > after:
                yield instant

    return instants


def every_hour_at_30(anchor: datetime) -> Instants:
    def instants(after: datetime, until: datetime) -> Iterator[datetime]:
        instant = anchor.replace(minute=30, second=0, microsecond=0) - timedelta(hours=1)
        while (instant := instant + timedelta(hours=1)) <= until:
            if instant > max(after, anchor):
                yield instant

    return instants


def every_day_at_02_30(anchor: datetime) -> Instants:
    def instants(after: datetime, until: datetime) -> Iterator[datetime]:
        day: date = anchor.astimezone(BERLIN).date() - DAY
        while day <= until.date() + DAY:
            local = datetime.combine(day, time(2, 30), tzinfo=BERLIN)
            if max(after, anchor) < local.astimezone(UTC) <= until:
                yield local.astimezone(UTC)
            day += DAY

    return instants


GRIDS: dict[str, Callable[[datetime], Instants]] = {
    "every 10 minutes": lambda anchor: every_minutes(10, anchor),
    "every 7 minutes": lambda anchor: every_minutes(7, anchor),
    "every hour at :30": every_hour_at_30,
    "every day at 02:30": every_day_at_02_30,
}


@dataclass(slots=True)
class Expected:
    """What must have become of a schedule."""

    schedule: Schedule
    spec: str
    anchor: datetime
    settled: datetime
    state: ScheduleState = ScheduleState.ACTIVE
    dealt_with: Counter[datetime] = field(default_factory=Counter)
    paused: Counter[datetime] = field(default_factory=Counter)
    grids: list[Instants] = field(default_factory=list)
    again: set[datetime] = field(default_factory=set)

    def regrid(self, spec: str, anchor: datetime) -> None:
        self.spec, self.anchor, self.settled = spec, anchor, anchor
        self.grids.append(GRIDS[spec](anchor))

    def plan_from(self, now: datetime) -> None:
        """Note that what was dealt with ahead of now may be dealt with again."""
        known = self.dealt_with | self.paused
        self.again.update(instant for instant in known if instant > now)
        self.settled = now
        self.anchor = min(self.anchor, now)
        self.grids.append(GRIDS[self.spec](self.anchor))

    def settle(self, until: datetime, *, paused: bool = False) -> None:
        """Note that all instants up to then have been dealt with."""
        if until > self.settled:
            instants = self.grids[-1](self.settled, until)
            (self.paused if paused else self.dealt_with).update(instants)
            self.settled = until


class Scheduling(RuleBasedStateMachine):
    """Schedules are given, changed, paused and ended while clock and daemon fail."""

    schedules = Bundle("schedules")

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.world = SchedulingWorld(Path(self.directory.name))
        self.world.stepped = BEGIN - START
        self.world.go()
        self.up = True
        self.latest = BEGIN
        self.expected: dict[UUID, Expected] = {}

    def teardown(self) -> None:
        self.world.store.close()
        self.directory.cleanup()

    # --- the model -----------------------------------------------------------------------------

    def settle(self) -> None:
        """Note that the scheduler is up and has had its chance."""
        self.latest = max(self.latest, self.world.now())
        if self.up:
            for expected in self.expected.values():
                if expected.state is ScheduleState.ACTIVE:
                    expected.settle(self.world.now())

    def correct(self) -> None:
        """Note that everything is planned afresh."""
        now = self.latest = self.world.now()
        for expected in self.expected.values():
            if expected.state is ScheduleState.ACTIVE and expected.settled > now:
                expected.plan_from(now)

    # --- what happens --------------------------------------------------------------------------

    @rule(
        target=schedules,
        spec=st.sampled_from(sorted(GRIDS)),
        catchup=st.sampled_from(CatchUp),
        overlap=st.sampled_from(Overlap),
        window=st.sampled_from([None, 0.0, 3600.0]),
    )
    def give(self, spec: str, catchup: CatchUp, overlap: Overlap, window: float | None) -> Schedule:
        policies = Policies(catchup=catchup, overlap=overlap, catchup_window_s=window)
        schedule = self.world.order(spec, policies, zone="Europe/Berlin")
        expected = Expected(
            schedule=schedule, spec=spec, anchor=schedule.anchor, settled=schedule.anchor
        )
        expected.regrid(spec, schedule.anchor)
        self.expected[schedule.id] = expected
        self.settle()
        return schedule

    @rule(minutes=st.sampled_from([1, 9, 10, 30, 61, 600]))
    def wait(self, minutes: int) -> None:
        self.world.wait(minutes=minutes)
        self.settle()

    @rule(minutes=st.sampled_from([1, 45, 300, 1500]))
    def suspend(self, minutes: int) -> None:
        """Let time pass in which nothing runs; then the alarm rings late."""
        self.world._pass_until(self.world.now() + timedelta(minutes=minutes))
        self.world.wait(minutes=0)
        self.settle()

    @rule(forward_s=st.sampled_from([1, 600, 3600, 90_000]))
    def step_forward(self, forward_s: int) -> None:
        self.world.step(seconds=forward_s)
        self.settle()

    @rule(back_s=st.sampled_from([1, 600, 3600]))
    def step_back_a_little(self, back_s: int) -> None:
        if self.latest - (self.world.now() - timedelta(seconds=back_s)) <= CORRECTION:
            self.world.step(seconds=-back_s)
            self.settle()

    @precondition(lambda self: self.up)
    @rule(back_s=st.sampled_from([10_860, 90_000]))
    def step_back_far(self, back_s: int) -> None:
        self.world.step(seconds=-back_s)
        self.correct()
        self.settle()

    @precondition(lambda self: self.up)
    @rule()
    def crash(self) -> None:
        self.world.crash()
        self.up = False

    @precondition(lambda self: not self.up)
    @rule()
    def start(self) -> None:
        self.world.go()
        self.up = True
        self.settle()

    @precondition(lambda self: self.up)
    @rule(minutes=st.sampled_from([1, 20]))
    def database_away(self, minutes: int) -> None:
        """Let the store refuse everything for a while; it is tried again later."""
        self.world.store._database.broken = "the database is locked"
        self.world.wait(minutes=minutes)
        self.world.store._database.broken = None
        self.world.clock.advance(20)
        self.world.wait(minutes=0)
        self.settle()

    @rule(schedule=schedules)
    def end_jobs(self, schedule: Schedule) -> None:
        self.world.end_jobs(schedule)

    @rule(schedule=schedules, spec=st.sampled_from(sorted(GRIDS)))
    def edit(self, schedule: Schedule, spec: str) -> None:
        expected = self.expected[schedule.id]
        if expected.state is ScheduleState.CANCELED:
            return
        stored = self.world.schedule(schedule)
        order = ScheduleRequest(when=spec, zone=stored.timing.zone_name, policies=stored.policies)
        self.world.do(
            self.world.schedules.update(schedule.id, lambda _: (stored.request, order), by=ANN)
        )
        if spec != expected.spec:
            now = self.world.now()
            expected.settle(now, paused=expected.state is ScheduleState.PAUSED)
            expected.regrid(spec, now)
        self.settle()

    @rule(schedule=schedules)
    def pause(self, schedule: Schedule) -> None:
        expected = self.expected[schedule.id]
        if expected.state is not ScheduleState.CANCELED:
            self.world.do(self.world.schedules.pause(schedule.id))
            expected.state = ScheduleState.PAUSED

    @rule(schedule=schedules)
    def resume(self, schedule: Schedule) -> None:
        expected, now = self.expected[schedule.id], self.world.now()
        if expected.state is not ScheduleState.PAUSED:
            return
        self.world.do(self.world.schedules.resume(schedule.id))
        expected.settle(now, paused=True)
        expected.state = ScheduleState.ACTIVE
        expected.plan_from(now)
        self.settle()

    @rule(schedule=schedules)
    def cancel(self, schedule: Schedule) -> None:
        expected = self.expected[schedule.id]
        if expected.state is not ScheduleState.CANCELED:
            self.world.do(self.world.schedules.cancel(schedule.id, by="ann"))
            expected.settle(self.world.now(), paused=expected.state is ScheduleState.PAUSED)
            expected.state = ScheduleState.CANCELED

    @precondition(lambda self: self.up)
    @rule(schedule=schedules)
    def run_now(self, schedule: Schedule) -> None:
        self.world.do(self.world.schedules.run_now(schedule.id, by="ann"))

    # --- what must hold ------------------------------------------------------------------------

    @invariant()
    def every_instant_is_dealt_with_once(self) -> None:
        for expected in self.expected.values():
            schedule = expected.schedule
            jobs = self.world.planned(schedule)
            assert len(jobs) == len(set(jobs))
            found = Counter(jobs)
            paused: Counter[datetime] = Counter()
            counts = Counts(fired=len(jobs))
            for event in self.world.events_of(schedule):
                instants = _instants(expected.grids, event.first, event.last, event.count)
                if event.kind is ScheduleEventKind.PAUSED:
                    paused.update(instants)
                    continue
                found.update(instants)
                if event.kind is ScheduleEventKind.MISSED:
                    counts = replace(counts, missed=counts.missed + event.count)
                else:
                    counts = replace(counts, skipped=counts.skipped + event.count)
            again = expected.again
            for known, wanted in ((found, expected.dealt_with), (paused, expected.paused)):
                assert _without(wanted, again) == _without(known, again)
            assert counts == self.world.schedule(schedule).counts
            for instant in again:
                assert found[instant] + paused[instant] >= 1

    @invariant()
    def the_next_instant_lies_ahead(self) -> None:
        for expected in self.expected.values():
            due = self.world.schedule(expected.schedule).next_due
            assert due is None or not self.up or due > self.world.now()

    @invariant()
    def nothing_is_wrong(self) -> None:
        assert self.world.scheduler.problem is None
        for expected in self.expected.values():
            assert expected.state is self.world.schedule(expected.schedule).state


def _instants(grids: list[Instants], first: datetime, last: datetime, count: int) -> list[datetime]:
    """Return the instants of the range of an event, by the grid that it must come from."""
    for instants in grids:
        found = list(instants(first - timedelta(milliseconds=1), last))
        if (len(found), found[:1], found[-1:]) == (count, [first], [last]):
            return found
    raise AssertionError(f"no grid has {count} instants from {first} to {last}")


def _without(counter: Counter[datetime], instants: set[datetime]) -> Counter[datetime]:
    return Counter({key: value for key, value in counter.items() if key not in instants})


Scheduling.TestCase.settings = settings(
    max_examples=12 * int(os.environ.get("SCRAPY_DO_TEST_SCALE", "1")),
    stateful_step_count=100,  # short walks rarely come to a pause within a step of the clock
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
TestScheduling = Scheduling.TestCase
