"""The use cases of schedules: given, changed, paused, run out of turn, looked at."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from scrapy_do.core.clock_changes import ClockChange
from scrapy_do.core.events import JobChanged, ScheduleChanged
from scrapy_do.core.filter import JobFilter
from scrapy_do.core.job import Actor, Job, JobRequest, Pending
from scrapy_do.core.principal import Principal, Role
from scrapy_do.core.schedule import (
    CatchUp,
    Counts,
    Overlap,
    Policies,
    Schedule,
    ScheduleEvent,
    ScheduleEventKind,
    ScheduleState,
)
from scrapy_do.core.schedule_rules import ScheduleRequest
from scrapy_do.errors import (
    BadArgument,
    BadWhen,
    Conflict,
    ProjectNotFound,
    ScheduleNotFound,
    SpiderNotFound,
    StaleJob,
    VersionNotFound,
)
from scrapy_do.operations.schedules import Preview
from scrapy_do.store.schedules import Schedules
from tests.engine.scheduling import SchedulingWorld, missed
from tests.factories import ANN, LOST, START, at, request, timing

BERLIN = ZoneInfo("Europe/Berlin")
HOUR_S = 3600


@pytest.fixture
def world(tmp_path: Path) -> SchedulingWorld:
    return SchedulingWorld(tmp_path).go()


def submit(world: SchedulingWorld, when: str, **fields: Any) -> Job | Schedule:
    return world.do(world.schedules.submit(request(), ScheduleRequest(when=when, **fields), by=ANN))


def update(world: SchedulingWorld, schedule: Schedule, **fields: Any) -> Schedule:
    """Change a schedule; what is not named stays."""
    order = ScheduleRequest(
        when=fields.pop("when", schedule.timing.spec),
        zone=fields.pop("zone", schedule.timing.zone_name),
        note=fields.pop("note", schedule.note),
        policies=replace(schedule.policies, **fields.pop("policies", {})),
    )
    asked = replace(schedule.request, **fields)
    return world.do(world.schedules.update(schedule.id, lambda _: (asked, order), by=ANN))


# --- giving --------------------------------------------------------------------------------------


def test_now_is_a_job(world: SchedulingWorld) -> None:
    """'now' makes a job at once, and no schedule."""
    job = submit(world, " NOW ")
    assert isinstance(job, Job)
    assert (Pending(since=START), Actor.USER, None) == (job.state, job.actor, job.schedule_id)
    assert [] == world.do(world.store.schedules.find(JobFilter()))


@pytest.mark.parametrize(
    ("name", "policies"),
    [
        ("catchup", {"catchup": CatchUp.ALL}),
        ("catchup-window", {"catchup_window_s": 5.0}),
        ("overlap", {"overlap": Overlap.ALLOW}),
        ("jitter", {"jitter_s": 5.0}),
        ("until", {"until": at(60)}),
        ("max-runs", {"max_runs": 1}),
    ],
)
def test_now_has_no_policies(world: SchedulingWorld, name: str, policies: dict[str, Any]) -> None:
    """A rule of schedules with 'now' is refused by its name."""
    with pytest.raises(BadArgument, match=f"^{name}: is only for standing orders"):
        submit(world, "now", policies=Policies(**policies))
    assert 0 == world.do(world.jobs.count(JobFilter()))


def test_now_has_no_note(world: SchedulingWorld) -> None:
    """Nor a note, which would be lost."""
    with pytest.raises(BadArgument, match=r"^note: "):
        submit(world, "now", note="why")


def test_standing_order(world: SchedulingWorld) -> None:
    """A schedule is stored in normal form, with its zone by name and its first instant."""
    policies = Policies(catchup=CatchUp.ALL, overlap=Overlap.REPLACE, max_runs=9)
    world.happenings.clear()
    schedule = submit(
        world, "EVERY  day at 09:30:00", zone="Europe/Berlin", policies=policies, note="early"
    )
    assert isinstance(schedule, Schedule)
    expected = Schedule(
        id=schedule.id,
        request=request(),
        timing=timing("every day at 09:30", "Europe/Berlin"),
        anchor=START,
        created_at=START,
        changed_at=START,
        created_by="ann",
        policies=policies,
        next_due=datetime(2026, 6, 4, 9, 30, tzinfo=BERLIN).astimezone(UTC),
        note="early",
    )
    assert expected == schedule == world.do(world.schedules.get(schedule.id))
    assert [ScheduleChanged(schedule_id=schedule.id)] == world.happenings


def test_configured_zone(tmp_path: Path) -> None:
    """An order without a zone gets the configured one, written down."""
    world = SchedulingWorld(tmp_path, zone="Pacific/Chatham")
    assert "Pacific/Chatham" == world.order("every day at 09:30").timing.zone_name


@pytest.mark.parametrize(
    ("fields", "error", "text"),
    [
        ({"when": "every 0 seconds"}, BadWhen, "the interval must be at least 1"),
        ({"zone": "CEST"}, BadArgument, "timezone: "),
        ({"policies": Policies(until=START)}, BadArgument, "until: must lie ahead"),
        ({"policies": Policies(until=at(59))}, BadArgument, "until: 'every minute' has no inst"),
        ({"policies": Policies(max_runs=0)}, BadArgument, "max-runs: must be at least 1"),
        ({"policies": Policies(jitter_s=-1)}, BadArgument, "jitter: must be from 0 to 86400"),
        ({"policies": Policies(catchup_window_s=-1)}, BadArgument, "catchup-window: must be"),
        ({"note": "x" * 1001}, BadArgument, "note: is longer than 1000"),
    ],
    ids=str,
)
def test_refused(
    world: SchedulingWorld, fields: dict[str, Any], error: type[Exception], text: str
) -> None:
    """What cannot be kept is refused by name, and nothing is stored."""
    with pytest.raises(error, match=f"^{text}"):
        submit(world, **{"when": "every minute", **fields})
    assert [] == world.do(world.store.schedules.find(JobFilter()))


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"project": "nothing"}, ProjectNotFound),
        ({"version": "nothing"}, VersionNotFound),
        ({"spider": "nothing"}, SpiderNotFound),
        ({"settings": {"TELNETCONSOLE_ENABLED": "1"}}, BadArgument),
    ],
    ids=str,
)
@pytest.mark.parametrize("when", ["now", "every minute"])
def test_refused_request(
    world: SchedulingWorld, when: str, fields: dict[str, Any], error: type[Exception]
) -> None:
    """What could not run is refused for a job and for a schedule alike."""
    runner = Principal(name="runner", role=Role.RUN)
    with pytest.raises(error):
        world.do(world.schedules.submit(request(**fields), ScheduleRequest(when=when), by=runner))


# --- pausing -------------------------------------------------------------------------------------


def test_pause_and_resume(world: SchedulingWorld) -> None:
    """What goes by during a pause is neither missed nor caught up; the grid stays."""
    schedule = world.order("every 10 minutes", catchup=CatchUp.ALL)
    world.wait(minutes=15)
    paused = world.do(world.schedules.pause(schedule.id, note="site down"))
    assert (ScheduleState.PAUSED, None, "site down") == (
        paused.state,
        paused.next_due,
        paused.note,
    )
    world.wait(hours=1)
    resumed = world.do(world.schedules.resume(schedule.id))
    assert (ScheduleState.ACTIVE, at(4800), Counts(fired=1)) == (
        resumed.state,
        resumed.next_due,
        resumed.counts,
    )
    world.wait(minutes=10)
    assert [at(600), at(4800)] == world.planned(schedule)
    by_pause = replace(
        missed(schedule, at(1200), at(4200), 6), kind=ScheduleEventKind.PAUSED, reason="paused"
    )
    assert [by_pause] == world.events_of(schedule)


def test_pause_keeps_its_note(world: SchedulingWorld) -> None:
    """A pause without a note leaves the one that is there; resuming twice changes nothing."""
    schedule = world.order(note="mine")
    assert "mine" == world.do(world.schedules.pause(schedule.id)).note
    world.do(world.schedules.resume(schedule.id))
    resumed = world.schedule(schedule)
    assert resumed == world.do(world.schedules.resume(schedule.id))


def test_nothing_left_to_resume(world: SchedulingWorld) -> None:
    """A one-off order whose time went by during the pause cannot go on."""
    schedule = world.order("at 2026-06-03 11:00")
    world.do(world.schedules.pause(schedule.id))
    world.wait(hours=1)
    with pytest.raises(BadArgument, match=r"^when: 'at 2026-06-03 11:00' has no instant ahead"):
        world.do(world.schedules.resume(schedule.id))


def test_resume_after_an_error(world: SchedulingWorld) -> None:
    """A schedule in error goes on when what it runs is back; what went by counts as missed."""
    schedule = world.order("every minute")
    world.put_project("quotesbot", "other")
    world.wait(minutes=1)
    with pytest.raises(SpiderNotFound):
        world.do(world.schedules.resume(schedule.id))
    world.wait(minutes=2)
    world.put_project("quotesbot", "toscrape-css")
    resumed = world.do(world.schedules.resume(schedule.id))
    assert (ScheduleState.ACTIVE, "", Counts(missed=3)) == (
        resumed.state,
        resumed.error,
        resumed.counts,
    )
    reason = "Unknown spider quotesbot/toscrape-css"
    assert [replace(missed(schedule, at(60), at(180), 3), reason=reason)] == (
        world.events_of(schedule)
    )


# --- ending --------------------------------------------------------------------------------------


def test_cancel(world: SchedulingWorld) -> None:
    """A canceled order fires no more, stays listed, and its jobs go on."""
    schedule = world.order("every minute")
    world.wait(minutes=1)
    canceled = world.do(world.schedules.cancel(schedule.id, by="bob"))
    assert (ScheduleState.CANCELED, None) == (canceled.state, canceled.next_due)
    world.wait(minutes=5)
    assert [at(60)] == world.planned(schedule)
    assert [Pending(since=at(60))] == [job.state for job in world.jobs_of(schedule)]
    assert [canceled] == world.do(world.store.schedules.find(JobFilter()))


@pytest.mark.parametrize("act", ["cancel", "pause", "resume", "update"])
def test_canceled_is_over(world: SchedulingWorld, act: str) -> None:
    """Nothing brings a canceled order back."""
    schedule = world.order()
    world.do(world.schedules.cancel(schedule.id, by="bob"))
    acts: dict[str, Any] = {
        "cancel": lambda: world.schedules.cancel(schedule.id, by="bob"),
        "pause": lambda: world.schedules.pause(schedule.id),
        "resume": lambda: world.schedules.resume(schedule.id),
        "update": lambda: world.schedules.update(
            schedule.id, lambda one: (one.request, ScheduleRequest(when="every minute")), by=ANN
        ),
    }
    message = f"Schedule {schedule.id} does not allow this: its state is canceled"
    if act == "cancel":
        message = f"Job {schedule.id} is not active"
    with pytest.raises(Conflict) as refused:
        world.do(acts[act]())
    assert message == str(refused.value)


def test_unfired_at_the_end(world: SchedulingWorld) -> None:
    """An instant that was due and had not fired when its order ended is listed as missed."""
    schedule = world.order("every minute")
    world.crash()
    world.wait(minutes=2)
    canceled = world.do(world.schedules.cancel(schedule.id, by="bob"))
    assert Counts(missed=2) == canceled.counts
    expected = replace(missed(schedule, at(60), at(120), 2), reason="canceled by bob")
    assert [expected] == world.events_of(schedule)


def test_unknown(world: SchedulingWorld) -> None:
    """Nothing can be done to a schedule that is not there."""
    nobody = UUID(int=99)
    for call in (
        world.schedules.get(nobody),
        world.schedules.cancel(nobody, by="bob"),
        world.schedules.run_now(nobody, by="bob"),
        world.schedules.history(nobody, limit=1),
    ):
        with pytest.raises(ScheduleNotFound):
            world.do(call)


# --- editing -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "due"),
    [
        ({"when": "every 20 minutes"}, at(90 + 1200)),
        ({"zone": "Europe/Berlin"}, at(90 + 600)),
        ({"note": "new"}, at(600)),
        ({"policies": {"overlap": Overlap.SKIP}}, at(600)),
        ({"payload": "[]"}, at(600)),
        ({"when": "EVERY 10 minutes"}, at(600)),
    ],
    ids=str,
)
def test_what_starts_a_new_grid(
    world: SchedulingWorld, fields: dict[str, Any], due: datetime
) -> None:
    """A new specification or zone counts from the edit; nothing else moves the grid."""
    schedule = world.order("every 10 minutes")
    world.wait(seconds=90)
    changed = update(world, schedule, **fields)
    assert due == changed.next_due
    assert at(90) == changed.changed_at


def test_edit_all(world: SchedulingWorld) -> None:
    """Everything that is said is stored and holds from the next job on."""
    schedule = world.order("every 10 minutes")
    asked = request(spider="toscrape-xpath", arguments={"a": "1"}, tags=("x",), priority=4)
    policies = Policies(overlap=Overlap.REPLACE, catchup=CatchUp.NONE, max_runs=2)
    order = ScheduleRequest(
        when="every minute", zone="Europe/Berlin", policies=policies, note="new"
    )
    changed = world.do(world.schedules.update(schedule.id, lambda _: (asked, order), by=ANN))
    expected = replace(
        schedule,
        request=asked,
        timing=timing("every minute", "Europe/Berlin"),
        policies=policies,
        note="new",
        next_due=at(60),
    )
    assert expected == changed
    world.wait(minutes=1)
    (job,) = world.jobs_of(schedule)
    assert replace(asked, version=job.request.version) == job.request


def test_edits_at_the_same_time(world: SchedulingWorld) -> None:
    """Of two edits at once each keeps what the other has changed."""
    schedule = world.order("every 10 minutes")
    calls = 0

    def describe(now: Schedule) -> tuple[JobRequest, ScheduleRequest]:
        nonlocal calls
        calls += 1
        if calls <= 2:  # somebody else is quicker
            update(world, schedule, note=f"new {calls}")
        order = ScheduleRequest(
            when=now.timing.spec, zone=now.timing.zone_name, policies=now.policies, note=now.note
        )
        return replace(now.request, description="shop"), order

    changed = world.do(world.schedules.update(schedule.id, describe, by=ANN))
    assert ("shop", "new 2") == (changed.request.description, changed.note)


def test_edit_while_paused(world: SchedulingWorld) -> None:
    """A paused order stays paused; what went by under the old grid is listed as paused."""
    schedule = world.order("every 10 minutes")
    world.do(world.schedules.pause(schedule.id))
    world.wait(minutes=25)
    changed = update(world, schedule, when="every hour")
    assert (ScheduleState.PAUSED, None, at(1500)) == (
        changed.state,
        changed.next_due,
        changed.anchor,
    )
    expected = replace(
        missed(schedule, at(600), at(1200), 2), kind=ScheduleEventKind.PAUSED, reason="paused"
    )
    assert [expected] == world.events_of(schedule)
    world.do(world.schedules.resume(schedule.id))
    assert at(1500 + HOUR_S) == world.schedule(schedule).next_due


def test_edit_what_has_finished(world: SchedulingWorld) -> None:
    """A finished order goes on from now when it is given more to do."""
    schedule = world.order("every minute", max_runs=1)
    world.wait(minutes=5)
    with pytest.raises(BadArgument, match=r"^max-runs: must be more than the 1 so far"):
        update(world, schedule, note="new")
    changed = update(world, schedule, policies={"max_runs": 2})
    assert (ScheduleState.ACTIVE, at(360)) == (changed.state, changed.next_due)
    world.wait(minutes=5)
    assert [at(60), at(360)] == world.planned(schedule)
    assert [] == world.events_of(schedule)


def test_edit_out_of_an_error(world: SchedulingWorld) -> None:
    """A new zone mends a schedule whose zone is gone."""
    schedule = world.order("every minute")
    lost = replace(schedule, timing=LOST)
    world.do(world.store.schedules.save(lost, expected=schedule))
    world.wait(minutes=1)
    changed = update(world, lost, zone="UTC")
    assert (ScheduleState.ACTIVE, at(120), "") == (changed.state, changed.next_due, changed.error)


def test_edit_to_now(world: SchedulingWorld) -> None:
    """A schedule does not become a job."""
    with pytest.raises(BadArgument, match=r"^when: .*'now'"):
        update(world, world.order(), when="now")


def test_edit_to_what_is_not_there(world: SchedulingWorld) -> None:
    """It cannot be told to run what is not there."""
    with pytest.raises(SpiderNotFound):
        update(world, world.order(), spider="nothing")


class _Racing(Schedules):
    """A store in which somebody else changes a schedule just before it is saved."""

    def __init__(self, world: SchedulingWorld, times: int) -> None:
        super().__init__(world.store._database)
        self._times = times

    async def save(
        self, schedule: Schedule, *, expected: Schedule, events: Sequence[ScheduleEvent] = ()
    ) -> Schedule:
        if self._times:
            self._times -= 1
            await super().save(replace(expected, changed_at=at(self._times)), expected=expected)
        return await super().save(schedule, expected=expected, events=events)


def test_changed_meanwhile(world: SchedulingWorld) -> None:
    """A change is applied to what the schedule is by then."""
    schedule = world.order()
    world.store.schedules = _Racing(world, 3)
    assert "why" == world.do(world.schedules.pause(schedule.id, note="why")).note


def test_changed_all_the_time(world: SchedulingWorld) -> None:
    """It is given up when there is no end to other changes."""
    schedule = world.order()
    world.store.schedules = _Racing(world, 99)
    with pytest.raises(StaleJob, match="changes too fast"):
        world.do(world.schedules.pause(schedule.id))


def test_edit_to_a_version(world: SchedulingWorld) -> None:
    """An order may be bound to a version, which must be there."""
    schedule = world.order()
    with pytest.raises(VersionNotFound):
        update(world, schedule, version="nothing")
    label = world.do(world.store.projects.get("quotesbot")).current
    assert label is not None
    assert label.label == update(world, schedule, version=label.label).request.version


# --- out of turn ---------------------------------------------------------------------------------


def test_run_now(world: SchedulingWorld) -> None:
    """An extra job does not move the grid."""
    schedule = world.order("every 10 minutes")
    world.happenings.clear()
    job = world.do(world.schedules.run_now(schedule.id, by="bob"))
    assert (schedule.id, None, Actor.USER, "bob") == (
        job.schedule_id,
        job.planned_at,
        job.actor,
        job.scheduled_by,
    )
    assert [JobChanged(job=job)] == world.happenings
    assert schedule == world.schedule(schedule)


def test_backfill(world: SchedulingWorld) -> None:
    """Past instants without a job get one, under their own key; twice does nothing."""
    schedule = world.order("every 10 minutes", catchup=CatchUp.NONE)
    world.wait(minutes=10)
    world.crash()
    world.wait(hours=1, minutes=2)
    world.go()
    fill: dict[str, Any] = {"first": at(0), "last": at(1800), "by": "bob"}
    jobs = world.do(world.schedules.backfill(schedule.id, **fill))
    assert [(at(1200), "bob"), (at(1800), "bob")] == [
        (job.planned_at, job.scheduled_by) for job in jobs
    ]
    assert [] == world.do(world.schedules.backfill(schedule.id, **fill))
    assert [at(600), at(1200), at(1800)] == world.planned(schedule)


def test_backfill_is_no_prophecy(world: SchedulingWorld) -> None:
    """Instants ahead are left to the scheduler."""
    schedule = world.order("every 10 minutes")
    fill = world.schedules.backfill(schedule.id, first=at(0), last=at(9999), by="bob")
    assert [] == world.do(fill)


# --- looking -------------------------------------------------------------------------------------


def test_find(world: SchedulingWorld) -> None:
    """Schedules are found by project, spider, tag, time and state, newest change first."""
    plain = world.order()
    world.wait(seconds=1)
    tagged = world.do(
        world.schedules.submit(
            request(spider="toscrape-xpath", tags=("a", "b")),
            ScheduleRequest(when="every hour"),
            by=ANN,
        )
    )

    def found(*states: ScheduleState, **fields: Any) -> list[Job | Schedule]:
        wanted = frozenset(states) or frozenset(ScheduleState)
        return list(world.do(world.store.schedules.find(JobFilter(**fields), wanted)))

    assert [tagged, plain] == found()
    assert [tagged, plain] == found(project="quotesbot")
    assert [] == found(project="other")
    assert [tagged] == found(spider="toscrape-xpath")
    assert [tagged] == found(tags_any=("b", "c"))
    assert [plain] == found(tags_none=("b",))
    assert [tagged] == found(changed_from=at(1))
    assert [plain] == found(changed_before=at(1))
    assert [] == found(ScheduleState.PAUSED)


def test_outlook(world: SchedulingWorld) -> None:
    """Of each schedule the next instants in its zone, and the last planned job."""
    schedule = world.order("every day at 12:30", zone="Europe/Berlin", max_runs=3)
    idle = world.order("every hour")
    world.do(world.schedules.pause(idle.id))
    world.wait(hours=1)
    found = world.do(world.schedules.outlooks([world.schedule(schedule), world.schedule(idle)]))
    (job,) = world.jobs_of(schedule)
    days = (4, 5)
    expected = tuple(datetime(2026, 6, day, 12, 30, tzinfo=BERLIN) for day in days)
    assert [(expected, job), ((), None)] == [(one.runs, one.last_job) for one in found]


def test_outlook_until(world: SchedulingWorld) -> None:
    """No instant is shown that will not come."""
    schedule = world.order("every minute", until=at(120))
    (outlook,) = world.do(world.schedules.outlooks([schedule]))
    assert (at(60), at(120)) == outlook.runs


def test_outlook_of_a_lost_zone(world: SchedulingWorld) -> None:
    """A schedule that cannot be planned shows no instants, and stops no list."""
    schedule = replace(world.order(), timing=LOST)
    (outlook,) = world.do(world.schedules.outlooks([schedule]))
    assert () == outlook.runs


def test_history(world: SchedulingWorld) -> None:
    """Jobs and what made none, newest first, a page of each."""
    schedule = world.order("every minute", overlap=Overlap.SKIP)
    world.wait(minutes=3)
    history = world.do(world.schedules.history(schedule.id, limit=1))
    assert (world.jobs_of(schedule), world.events_of(schedule)[-1:]) == (
        list(history.jobs),
        list(history.events),
    )


def test_preview(world: SchedulingWorld) -> None:
    """A specification is explained before it is given."""
    preview = world.schedules.preview(
        "EVERY  day at 02:30",
        zone="Europe/Berlin",
        start=datetime(2027, 3, 26, 12, tzinfo=UTC),
        count=3,
    )
    expected = Preview(
        spec="every day at 02:30",
        sentence="Every day at 02:30, Europe/Berlin",
        zone="Europe/Berlin",
        runs=(
            datetime(2027, 3, 27, 2, 30, tzinfo=BERLIN),
            datetime(2027, 3, 28, 3, 30, tzinfo=BERLIN),
            datetime(2027, 3, 29, 2, 30, tzinfo=BERLIN),
        ),
        clock_changes=(
            ClockChange(at=datetime(2027, 3, 28, 3, 30, tzinfo=BERLIN), instead_of=time(2, 30)),
            ClockChange(at=datetime(2027, 10, 31, 2, 30, tzinfo=BERLIN), instead_of=None),
        ),
    )
    assert expected == preview


def test_preview_now(world: SchedulingWorld) -> None:
    """'now' is now."""
    preview = world.schedules.preview("now", zone=None, start=None, count=5)
    assert Preview(spec="now", sentence="Now", zone="UTC", runs=(START,)) == preview


def test_preview_far_away(world: SchedulingWorld) -> None:
    """Nobody plans from the end of time."""
    with pytest.raises(BadArgument, match=r"^from: must lie between 1970 and 2200"):
        world.schedules.preview(
            "every day", zone=None, start=datetime(9999, 12, 31, tzinfo=UTC), count=5
        )
