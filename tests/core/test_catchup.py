"""What becomes of planned instants: jobs, misses, skips; and what comes next."""

import random
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scrapy_do.core import catchup
from scrapy_do.core.catchup import Decision, Plan, Stretch
from scrapy_do.core.job import JobRequest
from scrapy_do.core.schedule import (
    CatchUp,
    Counts,
    Overlap,
    Policies,
    Schedule,
    Timing,
    stored_timing,
    timing_of,
)
from scrapy_do.core.when import Once, RandomGap
from scrapy_do.errors import BadArgument, BadWhen
from tests.factories import timing

NOW = datetime(2026, 6, 3, 10, 17, 23, tzinfo=UTC)
UTC_ZONE = ZoneInfo("UTC")
ID = UUID(int=7)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


def ahead(**span: float) -> datetime:
    return NOW + timedelta(**span)


def schedule_of(spec: str, *, anchor: datetime, **fields: Any) -> Schedule:
    """Make a schedule; fields of its policies and counts may be given beside its own."""
    own = {name: fields.pop(name) for name in ("last_planned", "drawn") if name in fields}
    return Schedule(
        id=ID,
        request=JobRequest(project="quotesbot", spider="toscrape-css"),
        timing=timing(spec, anchor=anchor),
        anchor=anchor,
        created_at=anchor,
        changed_at=anchor,
        created_by="",
        counts=Counts(fired=fields.pop("fired", 0)),
        policies=Policies(**fields),
        **own,
    )


def rng() -> random.Random:
    return random.Random(20260603)


def decide(
    schedule: Schedule,
    *,
    now: datetime = NOW,
    present_since: datetime = NOW - timedelta(days=366),
    active: bool = False,
    pending: bool = False,
) -> Decision:
    return catchup.decide(
        schedule, now=now, present_since=present_since, active=active, pending=pending, rng=rng()
    )


def plan(schedule: Schedule, *, last: datetime | None, due: datetime | None) -> Plan:
    """Make the plan of a schedule without jitter and draws."""
    return Plan(anchor=schedule.anchor, last_planned=last, next_due=due, drawn=None, wake_at=due)


def stretch(first: datetime, last: datetime, count: int) -> Stretch:
    return Stretch(first=first, last=last, count=count)


# --- planning ------------------------------------------------------------------------------------


def test_new_schedule() -> None:
    """A new schedule is planned after its anchor, a loaded one after its last planned instant."""
    new = schedule_of("every hour", anchor=NOW)
    assert plan(new, last=None, due=ahead(hours=1)) == catchup.replan(new, rng=rng())
    loaded = replace(new, last_planned=ahead(hours=3))
    expected = plan(loaded, last=ahead(hours=3), due=ahead(hours=4))
    assert expected == catchup.replan(loaded, rng=rng())


def test_random_gap_is_drawn_once() -> None:
    """A gap is drawn where none is stored, and a stored one is kept."""
    new = schedule_of("every 2 to 3 hours", anchor=NOW)
    first = catchup.replan(new, rng=rng())
    assert first.drawn is not None
    assert timedelta(hours=2) <= first.drawn <= timedelta(hours=3)
    assert NOW + first.drawn == first.next_due == first.wake_at
    stored = replace(new, drawn=first.drawn)
    assert first == catchup.replan(stored, rng=random.Random(99))


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        ("every hour", {"until": NOW + HOUR - MINUTE}),
        ("every hour", {"max_runs": 3, "fired": 3}),
        ("at 2026-06-03 10:20", {"last_planned": NOW + HOUR}),
        ("every 2 to 3 hours", {"until": NOW + HOUR}),
    ],
)
def test_finished(spec: str, fields: dict[str, Any]) -> None:
    """Past its end a schedule has no next instant, and keeps no gap for one."""
    over = schedule_of(spec, anchor=NOW, **fields)
    assert plan(over, last=over.last_planned, due=None) == catchup.replan(over, rng=rng())


def test_until_is_included() -> None:
    """The end is a closed interval: an instant right at it is planned, and fires."""
    last = schedule_of("every hour", anchor=ago(hours=1), until=NOW)
    assert catchup.replan(last, rng=rng()).next_due == NOW
    assert Decision(plan=plan(last, last=NOW, due=None), jobs=(NOW,)) == decide(last)


def test_stored_timing() -> None:
    """What is stored is read as it was accepted, also when its time has passed since."""
    read = stored_timing("at 2026-06-03 11:00", "UTC", anchor=NOW)
    assert Timing(when=Once(local=datetime(2026, 6, 3, 11, 0)), zone=UTC_ZONE) == read  # noqa: DTZ001 - local
    assert ("at 2026-06-03 11:00", "UTC") == (read.spec, read.zone_name)


@pytest.mark.parametrize(
    ("spec", "zone"), [("every hour", "Mars/Base"), ("every fortnight", "UTC"), ("now", "UTC")]
)
def test_what_cannot_be_planned(spec: str, zone: str) -> None:
    """A zone that is gone, or a text without a schedule in it, is an error of that schedule."""
    read = stored_timing(spec, zone, anchor=NOW)
    assert (spec, zone) == (read.spec, read.zone_name)
    schedule = replace(schedule_of("every hour", anchor=NOW), timing=read)
    for plan_it in (
        lambda: catchup.replan(schedule, rng=rng()),
        lambda: decide(schedule, now=ahead(hours=2)),
        lambda: catchup.resume(schedule, now=ahead(hours=2), rng=rng()),
        lambda: catchup.backfill(schedule, first=NOW, last=ahead(hours=1), now=ahead(hours=2)),
    ):
        with pytest.raises(BadWhen, match="for example: "):
            plan_it()


# --- on time and missed --------------------------------------------------------------------------


def test_nothing_due() -> None:
    """Before its instant a schedule only keeps its plan."""
    early = schedule_of("every hour", anchor=ago(minutes=59))
    assert Decision(plan=plan(early, last=None, due=ahead(minutes=1))) == decide(early)


@pytest.mark.parametrize("policy", CatchUp)
@pytest.mark.parametrize("late_s", [0, 0.05, 5])
def test_on_time(policy: CatchUp, late_s: float) -> None:
    """An instant that a timer is seconds late for fires under every policy and is not missed."""
    anchor = ago(hours=1, seconds=late_s)
    due = schedule_of("every hour", anchor=anchor, catchup=policy)
    planned = anchor + HOUR
    expected = Decision(plan=plan(due, last=planned, due=planned + HOUR), jobs=(planned,))
    assert expected == decide(due)


@pytest.mark.parametrize(
    ("late_s", "present_s", "fires"),
    [(5.001, 60, 0), (0.2, 0.2, 1), (0.2, 0.199, 0), (59, 1, 0), (0, 0, 1)],
)
@pytest.mark.parametrize("window_s", [None, 3600])
def test_none_fires_nothing_that_was_due_in_absence(
    late_s: float, present_s: float, fires: int, window_s: float | None
) -> None:
    """`none` fires only what came due while the daemon was there, and that at once."""
    anchor = ago(hours=1, seconds=late_s)
    due = schedule_of("every hour", anchor=anchor, catchup=CatchUp.NONE, catchup_window_s=window_s)
    planned = anchor + HOUR
    decision = decide(due, present_since=ago(seconds=present_s))
    assert (fires, None if fires else stretch(planned, planned, 1)) == (
        len(decision.jobs),
        decision.missed,
    )


def test_jitter_that_ends_after_an_absence() -> None:
    """What counts is when the job starts: the instant itself may have been before the daemon."""
    due = schedule_of("every hour", anchor=ago(hours=1), catchup=CatchUp.NONE, jitter_s=600)
    start = catchup.start_of(due, NOW)
    for present_s, fires in ((0, 1), (1, 0)):
        present_since = start + timedelta(seconds=present_s)
        assert fires == len(decide(due, now=present_since, present_since=present_since).jobs)


@pytest.mark.parametrize("policy", [CatchUp.LATEST, CatchUp.ALL])
def test_what_is_caught_up_does_not_depend_on_presence(policy: CatchUp) -> None:
    """Where missed instants are made up for, it does not matter when the daemon came back."""
    due = schedule_of("every hour", anchor=ago(hours=1, seconds=1), catchup=policy)
    assert (ago(seconds=1),) == decide(due, present_since=NOW).jobs


TEN_HOURS: dict[str, Any] = {"spec": "every 10 minutes", "anchor": ago(hours=10, seconds=90)}
FIRST, LAST = ago(hours=9, minutes=50, seconds=90), ago(seconds=90)


@pytest.mark.parametrize(
    ("policies", "jobs", "missed"),
    [
        ({}, 1, stretch(FIRST, LAST - 10 * MINUTE, 59)),
        ({"catchup": CatchUp.NONE}, 0, stretch(FIRST, LAST, 60)),
        ({"catchup": CatchUp.ALL}, 60, None),
        (
            {"catchup": CatchUp.ALL, "catchup_window_s": 3600},
            6,
            stretch(FIRST, LAST - HOUR, 54),
        ),
        ({"catchup_window_s": 90}, 1, stretch(FIRST, LAST - 10 * MINUTE, 59)),
        ({"catchup_window_s": 89}, 0, stretch(FIRST, LAST, 60)),
    ],
)
def test_ten_hours_off(policies: dict[str, Any], jobs: int, missed: Stretch | None) -> None:
    """Ten hours off with 'every 10 minutes': each policy and window makes its jobs, no more."""
    off = schedule_of(**TEN_HOURS, **policies)
    expected = Decision(
        plan=plan(off, last=LAST, due=LAST + 10 * MINUTE),
        jobs=tuple(LAST - back * 10 * MINUTE for back in reversed(range(jobs))),
        missed=missed,
    )
    assert expected == decide(off)


def test_latest_never_makes_two_jobs() -> None:
    """When the newest instant is on time, 'latest' fires it and nothing else."""
    off = schedule_of("every 10 minutes", anchor=ago(hours=1))
    assert Decision(
        plan=plan(off, last=NOW, due=ahead(minutes=10)),
        jobs=(NOW,),
        missed=stretch(ago(minutes=50), ago(minutes=10), 5),
    ) == decide(off)


@pytest.mark.parametrize(("window_s", "late_s", "fires"), [(3, 2, 1), (3, 4, 0), (0, 1, 1)])
def test_window_shortens_on_time(window_s: float, late_s: float, fires: int) -> None:
    """A window of few seconds also says how late is on time, but never less than one."""
    anchor = ago(hours=1, seconds=late_s)
    due = schedule_of("every hour", anchor=anchor, catchup=CatchUp.NONE, catchup_window_s=window_s)
    assert fires == len(decide(due).jobs)


def test_a_year_of_every_second() -> None:
    """A year off with 'every second' gives the 100 newest under 'all', in well under 2 s."""
    begin = time.process_time()
    off = schedule_of("every second", anchor=ago(days=365), catchup=CatchUp.ALL)
    decision = decide(off)
    assert time.process_time() - begin < 0.5
    assert (
        Decision(
            plan=plan(off, last=NOW, due=ahead(seconds=1)),
            jobs=tuple(ago(seconds=back) for back in reversed(range(100))),
            missed=stretch(ago(days=365) + timedelta(seconds=1), ago(seconds=100), 31_535_900),
        )
        == decision
    )


def test_once_late() -> None:
    """A one-off instant that was missed fires late, or is counted as missed, and is over."""
    planned = datetime(2026, 6, 3, 9, tzinfo=UTC)
    for policy, jobs, missed in (
        (CatchUp.LATEST, (planned,), None),
        (CatchUp.NONE, (), stretch(planned, planned, 1)),
    ):
        off = schedule_of("at 2026-06-03 09:00", anchor=ago(days=1), catchup=policy)
        expected = Decision(plan=plan(off, last=planned, due=None), jobs=jobs, missed=missed)
        assert expected == decide(off)


def test_missed_after_the_end_is_not_planned() -> None:
    """Instants after the end are not missed: the newest one before it is caught up."""
    off = schedule_of("every hour", anchor=ago(hours=10), until=ago(hours=4, minutes=30))
    assert Decision(
        plan=plan(off, last=ago(hours=5), due=None),
        jobs=(ago(hours=5),),
        missed=stretch(ago(hours=9), ago(hours=6), 4),
    ) == decide(off)


def test_max_runs() -> None:
    """The last run ends the schedule; instants after it are neither missed nor skipped."""
    fields: dict[str, Any] = {"anchor": ago(hours=10), "catchup": CatchUp.ALL, "max_runs": 5}
    off = schedule_of("every hour", fired=2, **fields)
    last = ago(hours=7)
    assert Decision(
        plan=plan(off, last=last, due=None), jobs=(ago(hours=9), ago(hours=8), last)
    ) == decide(off)
    queued = schedule_of("every hour", fired=4, overlap=Overlap.QUEUE_ONE, **fields)
    assert Decision(plan=plan(queued, last=ago(hours=9), due=None), jobs=(ago(hours=9),)) == decide(
        queued, active=True
    )
    over = schedule_of("every hour", fired=5, **fields)
    assert Decision(plan=plan(over, last=None, due=None)) == decide(over)


# --- overlap -------------------------------------------------------------------------------------

THREE = (ago(hours=2), ago(hours=1), NOW)
ALL_SKIPPED = stretch(ago(hours=2), NOW, 3)


@pytest.mark.parametrize(
    ("overlap", "before", "expected"),
    [
        (Overlap.SKIP, {}, {"jobs": THREE}),
        (Overlap.SKIP, {"active": True}, {"skipped": ALL_SKIPPED}),
        (Overlap.SKIP, {"pending": True}, {"skipped": ALL_SKIPPED}),
        (Overlap.QUEUE_ONE, {}, {"jobs": THREE}),
        (
            Overlap.QUEUE_ONE,
            {"active": True},
            {"jobs": THREE[:1], "skipped": stretch(ago(hours=1), NOW, 2)},
        ),
        (Overlap.QUEUE_ONE, {"active": True, "pending": True}, {"skipped": ALL_SKIPPED}),
        (Overlap.QUEUE_ONE, {"pending": True}, {"skipped": ALL_SKIPPED}),
        (Overlap.ALLOW, {"active": True, "pending": True}, {"jobs": THREE}),
        (Overlap.REPLACE, {}, {"jobs": THREE}),
        (Overlap.REPLACE, {"active": True}, {"jobs": THREE, "stop_active": True}),
        (Overlap.REPLACE, {"pending": True}, {"jobs": THREE, "stop_active": True}),
    ],
)
def test_overlap(overlap: Overlap, before: dict[str, Any], expected: dict[str, Any]) -> None:
    """Each policy looks at the jobs that were there before; a pending one counts as running."""
    due = schedule_of("every hour", anchor=ago(hours=3), catchup=CatchUp.ALL, overlap=overlap)
    assert Decision(plan=plan(due, last=NOW, due=ahead(hours=1)), **expected) == decide(
        due, **before
    )


def test_missed_is_not_skipped() -> None:
    """What catch-up gives up is missed even while a job runs, and stops nothing."""
    off = schedule_of(**TEN_HOURS, catchup=CatchUp.NONE, overlap=Overlap.REPLACE)
    assert Decision(
        plan=plan(off, last=LAST, due=LAST + 10 * MINUTE), missed=stretch(FIRST, LAST, 60)
    ) == decide(off, active=True)


# --- random intervals ----------------------------------------------------------------------------


def test_random_interval_due() -> None:
    """The stored instant fires, and the gap to the next one is drawn and handed over."""
    due = schedule_of("every 2 to 3 hours", anchor=ago(hours=2.5), drawn=timedelta(hours=2.5))
    decision = decide(due)
    assert (NOW,) == decision.jobs
    drawn = decision.plan.drawn
    assert drawn is not None
    assert NOW + drawn == decision.plan.next_due
    assert NOW == decision.plan.last_planned


def test_random_interval_not_due() -> None:
    """A gap drawn while nothing was due is the one that is kept."""
    early = schedule_of("every 2 to 3 hours", anchor=NOW)
    assert Decision(plan=catchup.replan(early, rng=rng())) == decide(early)


def test_random_interval_after_downtime() -> None:
    """After downtime the gaps are drawn one after the other up to now."""
    off = schedule_of("every 2 to 3 hours", anchor=ago(days=10), catchup=CatchUp.NONE)
    decision = decide(off)
    assert decision.missed is not None
    assert 80 <= decision.missed.count <= 120
    assert decision.missed.last == decision.plan.last_planned
    assert decision.plan.next_due is not None
    assert decision.plan.next_due > NOW


def test_random_interval_after_a_long_downtime() -> None:
    """Past so many draws the rest of the downtime is jumped over: the plan goes on from now."""
    off = schedule_of("every 1 to 2 seconds", anchor=ago(days=365))
    decision = decide(off)
    assert decision.missed is not None
    assert catchup.MOST_DRAWN - 1 == decision.missed.count
    assert 1 == len(decision.jobs)
    assert NOW == decision.plan.last_planned
    assert decision.plan.next_due in {ahead(seconds=1), ahead(seconds=2)}


def test_random_interval_ends() -> None:
    """A random interval stops at its end too."""
    off = schedule_of("every 2 to 3 hours", anchor=ago(hours=10), until=ago(hours=6))
    decision = decide(off)
    assert 1 == len(decision.jobs)
    assert decision.jobs[0] <= ago(hours=6)
    assert decision.plan.next_due is None


# --- jitter --------------------------------------------------------------------------------------


def test_jitter_is_even_and_fixed() -> None:
    """Jitter follows from schedule and instant, spreads over the range, and stays inside."""
    seconds = [catchup.jitter_s(ID, ahead(hours=hour), 300) for hour in range(2000)]
    assert seconds == [catchup.jitter_s(ID, ahead(hours=hour), 300) for hour in range(2000)]
    assert all(0 <= value < 300 for value in seconds)
    assert 140 < sum(seconds) / len(seconds) < 160
    others = [catchup.jitter_s(UUID(int=8), ahead(hours=hour), 300) for hour in range(2000)]
    assert not set(seconds) & set(others)


def test_jitter_delays_the_start() -> None:
    """The job starts at instant plus jitter; before that it is not due; the instant is the key."""
    jittery = schedule_of("every hour", anchor=NOW, jitter_s=300)
    first = catchup.replan(jittery, rng=rng())
    planned, start = first.next_due, first.wake_at
    assert planned == ahead(hours=1)
    assert start == planned + timedelta(seconds=catchup.jitter_s(ID, planned, 300))
    just_before = start - timedelta(milliseconds=1)
    assert Decision(plan=first) == decide(jittery, now=just_before)
    assert (planned,) == decide(jittery, now=start).jobs


def test_jitter_keeps_the_order() -> None:
    """Jitter is cut at the gap to the following instant, so that starts never cross."""
    jittery = schedule_of("every minute", anchor=NOW, jitter_s=86_400)
    starts = [
        (ahead(minutes=number), catchup.start_of(jittery, ahead(minutes=number)))
        for number in range(1, 200)
    ]
    assert all(planned <= start < planned + MINUTE for planned, start in starts)


def test_jitter_of_a_random_interval() -> None:
    """The jitter of a random interval is cut at its shortest gap, and delays it alike."""
    jittery = schedule_of("every 2 to 3 minutes", anchor=NOW, jitter_s=3600, drawn=2 * MINUTE)
    assert isinstance(timing_of(jittery).when, RandomGap)
    planned = ahead(minutes=2)
    start = catchup.start_of(jittery, planned)
    assert planned < start < ahead(minutes=4)
    assert () == decide(jittery, now=start - timedelta(milliseconds=1)).jobs
    assert (planned,) == decide(jittery, now=start).jobs


def test_jitter_of_the_last_instant() -> None:
    """An instant that nothing follows has its whole jitter."""
    once = schedule_of("at 2026-06-03 11:00", anchor=NOW, jitter_s=86_400)
    planned = datetime(2026, 6, 3, 11, tzinfo=UTC)
    expected = planned + timedelta(seconds=catchup.jitter_s(ID, planned, 86_400))
    assert expected == catchup.start_of(once, planned)


# --- pause, clock steps, backfill ----------------------------------------------------------------


def test_resume() -> None:
    """Instants that passed in a pause are noted as passed, and planning goes on from now."""
    paused = schedule_of("every hour", anchor=ago(hours=5, minutes=30))
    expected = Decision(
        plan=plan(paused, last=NOW, due=ahead(minutes=30)),
        passed=stretch(ago(hours=4, minutes=30), ago(minutes=30), 5),
    )
    assert expected == catchup.resume(paused, now=NOW, rng=rng())
    short = schedule_of("every hour", anchor=ago(minutes=30))
    expected = Decision(plan=plan(short, last=NOW, due=ahead(minutes=30)))
    assert expected == catchup.resume(short, now=NOW, rng=rng())


def test_resume_a_random_interval() -> None:
    """Of a random interval the one planned instant may have passed; a new gap is drawn."""
    paused = schedule_of("every 2 to 3 hours", anchor=ago(days=1), drawn=timedelta(hours=2))
    decision = catchup.resume(paused, now=NOW, rng=rng())
    assert stretch(ago(hours=22), ago(hours=22), 1) == decision.passed
    fresh = replace(paused, last_planned=NOW, drawn=None)
    assert catchup.replan(fresh, rng=rng()) == decision.plan
    short = schedule_of("every 2 to 3 hours", anchor=ago(hours=1), drawn=timedelta(hours=2))
    assert catchup.resume(short, now=NOW, rng=rng()).passed is None


@pytest.mark.parametrize("back", [timedelta(seconds=1), HOUR, 3 * HOUR, -HOUR, timedelta(0)])
def test_small_step_back(back: timedelta) -> None:
    """A clock set back by at most 3 hours, or forward, changes no plan and repeats nothing."""
    fired = schedule_of("every 10 minutes", anchor=ago(days=1), last_planned=NOW)
    before = NOW - max(back, timedelta(0))
    assert catchup.after_step(fired, now=before, back=back, rng=rng()) is None
    assert Decision(plan=plan(fired, last=NOW, due=ahead(minutes=10))) == decide(fired, now=before)


@pytest.mark.parametrize("stated", [True, False])
def test_large_step_back(stated: bool) -> None:  # noqa: FBT001 - a column of the table
    """A clock set back by more is planned afresh from now, whether the step is told or found."""
    back = timedelta(days=3650) if stated else timedelta(0)
    fired = schedule_of("every 10 minutes", anchor=ago(minutes=25), last_planned=ahead(days=3650))
    assert plan(fired, last=NOW, due=ahead(minutes=5)) == catchup.after_step(
        fired, now=NOW, back=back, rng=rng()
    )


def test_large_step_back_before_the_anchor() -> None:
    """A schedule made while the clock was ahead is anchored at now, not years ahead."""
    made = schedule_of("every 10 minutes", anchor=ahead(days=3650))
    expected = plan(replace(made, anchor=NOW), last=NOW, due=ahead(minutes=10))
    assert expected == catchup.after_step(made, now=NOW, rng=rng())


def test_backfill() -> None:
    """Backfill gives the planned instants from and to included, none ahead of now."""
    filled = schedule_of("every hour", anchor=ago(hours=5))
    expected = tuple(ago(hours=back) for back in (3, 2, 1))
    assert expected == catchup.backfill(filled, first=ago(hours=3), last=ago(hours=1), now=NOW)
    expected = tuple(ago(hours=back) for back in (4, 3, 2, 1, 0))
    assert expected == catchup.backfill(filled, first=ago(days=9), last=ahead(days=9), now=NOW)
    ended = replace(filled, policies=Policies(until=ago(hours=4)))
    assert (ago(hours=4),) == catchup.backfill(ended, first=ago(days=9), last=NOW, now=NOW)


@pytest.mark.parametrize(
    ("spec", "first", "last", "message"),
    [
        (
            "every second",
            ago(seconds=1000),
            NOW,
            "to: there are 1001 planned instants from then to then, the most at once is 1000",
        ),
        ("every second", NOW, ago(seconds=1), "to: lies before 'from'"),
        (
            "every 2 to 3 hours",
            ago(hours=9),
            NOW,
            "from: a random interval has no planned instants to fill in",
        ),
    ],
)
def test_no_backfill(spec: str, first: datetime, last: datetime, message: str) -> None:
    """Too many, backwards, or random: refused with the reason and the limit."""
    with pytest.raises(BadArgument) as caught:
        catchup.backfill(schedule_of(spec, anchor=ago(days=9)), first=first, last=last, now=NOW)
    assert message == str(caught.value)


def test_most_backfilled() -> None:
    """As many as the limit are given."""
    filled = schedule_of("every second", anchor=ago(days=9))
    found = catchup.backfill(filled, first=ago(seconds=999), last=NOW, now=NOW)
    assert 1000 == len(found)


# --- nothing lost, nothing twice -----------------------------------------------------------------


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.sampled_from(
        ["every 7 minutes", "every hour at :05", "every day at 02:30", "cron */9 * * * *"]
    ),
    st.builds(
        Policies,
        catchup=st.sampled_from(CatchUp),
        overlap=st.sampled_from(Overlap),
        catchup_window_s=st.sampled_from([None, 5.0, 3600.0]),
        jitter_s=st.sampled_from([0.0, 30.0, 1e5]),
    ),
    st.lists(
        st.tuples(st.integers(1, 300_000), st.booleans(), st.booleans()), min_size=1, max_size=15
    ),
)
def test_every_instant_once(
    spec: str, policies: Policies, ticks: list[tuple[int, bool, bool]]
) -> None:
    """However the daemon wakes and sleeps, each instant is one job, one miss or one skip."""
    anchor = ago(days=30)
    schedule = replace(schedule_of(spec, anchor=anchor), policies=policies)
    now, jobs, others = anchor, list[datetime](), 0
    for seconds, active, pending in ticks:
        now += timedelta(seconds=seconds)
        decision = decide(schedule, now=now, active=active, pending=pending)
        jobs += decision.jobs
        others += sum(
            part.count for part in (decision.missed, decision.skipped) if part is not None
        )
        assert decision.plan.wake_at is not None
        assert decision.plan.wake_at > now
        schedule = replace(schedule, last_planned=decision.plan.last_planned)
    assert sorted(set(jobs)) == jobs
    whole = catchup.decide(
        replace(schedule, last_planned=None, policies=replace(policies, catchup=CatchUp.NONE)),
        now=now,
        present_since=now,
        active=False,
        pending=False,
        rng=rng(),
    )
    planned = len(whole.jobs) + (0 if whole.missed is None else whole.missed.count)
    assert planned == len(jobs) + others
