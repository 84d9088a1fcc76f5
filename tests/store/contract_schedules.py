"""What every store does with schedules."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from scrapy_do.core.filter import JobFilter
from scrapy_do.core.instants import ms_of
from scrapy_do.core.project import Version
from scrapy_do.core.schedule import (
    CatchUp,
    Counts,
    Overlap,
    Policies,
    ScheduleState,
)
from scrapy_do.core.transitions import Cancel, Claimed, advance
from scrapy_do.errors import (
    ProjectNotFound,
    ScheduleNotFound,
    SpiderNotFound,
    StaleJob,
)
from scrapy_do.store.schedules import EVENTS_KEPT, Firing
from scrapy_do.store.store import Store
from tests.factories import START, at, request
from tests.store.values import Run, missed, order, planned, version

_over: dict[str, Any] = {"state": ScheduleState.FINISHED, "next_due": None}


class ScheduleContract:
    """See `contract`."""

    @pytest.mark.usefixtures("pushed")
    def test_schedule(self, store: Store, run: Run) -> None:
        """A stored schedule is what was ordered."""
        wanted = order(
            request=request(tags=("a",), priority=3, version="1", arguments={"x": "y"}),
            policies=Policies(
                catchup=CatchUp.ALL,
                catchup_window_s=0.25,
                overlap=Overlap.REPLACE,
                jitter_s=1.5,
                until=at(10**8),
                max_runs=7,
            ),
            state=ScheduleState.PAUSED,
            next_due=None,
            last_planned=at(7),
            drawn=timedelta(seconds=90),
            counts=Counts(fired=1, missed=2, skipped=3),
            note="for a while",
            error="none",
        )
        assert wanted == run(store.schedules.add(wanted))
        assert wanted == run(store.schedules.get(wanted.id))

    @pytest.mark.usefixtures("pushed")
    def test_schedules(self, store: Store, run: Run) -> None:
        """Schedules are listed newest first, by project and state."""
        run(store.projects.put_version(version("other")))
        paused = {"state": ScheduleState.PAUSED, "next_due": None}
        first, second, third = (
            run(store.schedules.add(schedule))
            for schedule in (
                order(1),
                order(2, **paused),
                order(3, request=request(project="other")),
            )
        )
        assert [third, second, first] == run(store.schedules.find(JobFilter()))
        assert [second, first] == run(store.schedules.find(JobFilter(project="quotesbot")))
        assert [second] == run(store.schedules.find(JobFilter(), {ScheduleState.PAUSED}))
        assert 3 == run(store.overview()).standing
        run(store.schedules.save(replace(first, **_over), expected=first))
        assert 2 == run(store.overview()).standing

    @pytest.mark.usefixtures("pushed")
    def test_pages_of_schedules(self, store: Store, run: Run) -> None:
        """A page of schedules is cut after all that was asked for, by number or by place."""
        tagged = {"request": request(tags=("a", "b"))}
        ids = [order(number, **(tagged if number % 2 else {})) for number in range(1, 8)]
        stored = [run(store.schedules.add(one)) for one in ids]
        for wanted, expected in (
            (JobFilter(limit=2), [7, 6]),
            (JobFilter(limit=2, skip=3), [4, 3]),
            (JobFilter(limit=2, after=stored[4].sequence), [4, 3]),
            (JobFilter(tags_any=("b", "x"), limit=2), [7, 5]),
            (JobFilter(tags_any=("b",), limit=2, skip=1), [5, 3]),
            (JobFilter(tags_none=("b",), after=stored[4].sequence), [4, 2]),
            (JobFilter(spider="gone"), []),
            (JobFilter(limit=None), [7, 6, 5, 4, 3, 2, 1]),
        ):
            found = run(store.schedules.find(wanted))
            assert [stored[number - 1] for number in expected] == found
        assert 7 == run(store.schedules.count(JobFilter(limit=2, after=3)))
        assert 4 == run(store.schedules.count(JobFilter(tags_any=("a",))))
        assert 0 == run(store.schedules.count(JobFilter(), {ScheduleState.ERROR}))
        states = (ScheduleState.ACTIVE, ScheduleState.ERROR)
        for some, count in ((JobFilter(), 7), (JobFilter(tags_none=("a",)), 3)):
            counted = run(store.schedules.counts(some, states))
            assert counted == {ScheduleState.ACTIVE: count, ScheduleState.ERROR: 0}

    @pytest.mark.usefixtures("pushed")
    def test_places_of_schedules(self, store: Store, run: Run) -> None:
        """A change brings a schedule to the front of all jobs and schedules; firing does not."""
        first, second = (run(store.schedules.add(order(number))) for number in (1, 2))
        fired = replace(first, next_due=at(7200))
        run(store.schedules.fire(first, fired, []))
        assert [second, fired] == run(store.schedules.find(JobFilter()))
        job = run(store.jobs.add(planned(first, at(3600))))
        paused = replace(fired, state=ScheduleState.PAUSED, next_due=None)
        changed = run(store.schedules.save(paused, expected=fired))
        assert [paused, second] == run(store.schedules.find(JobFilter()))
        failed = run(store.schedules.fail(second, "gone", now=at(9)))
        over = order(3)
        added = run(store.schedules.add(over))
        run(store.schedules.fire(added, replace(added, **_over), []))
        ended = run(store.schedules.get(added.id))
        places = [one.sequence for one in (job, changed, failed, added, ended)]
        assert sorted(set(places)) == places

    @pytest.mark.usefixtures("pushed")
    def test_save_schedule(self, store: Store, run: Run) -> None:
        """A schedule is changed only if nobody else changed it in between."""
        schedule = run(store.schedules.add(order()))
        paused = replace(schedule, state=ScheduleState.PAUSED, next_due=None, changed_at=at(50))
        note = missed(schedule, 1)
        assert paused == run(store.schedules.save(paused, expected=schedule, events=[note]))
        assert [note] == run(store.schedules.events(schedule.id))
        with pytest.raises(StaleJob):
            run(store.schedules.save(replace(schedule, note="x"), expected=schedule))
        elsewhere = replace(paused, request=request(project="nowhere"))
        with pytest.raises(ProjectNotFound):
            run(store.schedules.save(elsewhere, expected=paused))
        assert paused == run(store.schedules.get(schedule.id))

    @pytest.mark.usefixtures("pushed")
    def test_failed_schedule(self, store: Store, run: Run) -> None:
        """A schedule that cannot go on says why and is due no more."""
        schedule = run(store.schedules.add(order()))
        failed = replace(
            schedule, state=ScheduleState.ERROR, error="gone", next_due=None, changed_at=at(9)
        )
        assert failed == run(store.schedules.fail(schedule, "gone", now=at(9)))
        assert run(store.schedules.next_due()) is None

    def test_unknown_schedule(self, store: Store, run: Run) -> None:
        """What is not there is not found."""
        for lookup in (
            store.schedules.get(UUID(int=1)),
            store.schedules.fail(order(), "gone", now=START),
            store.schedules.save(order(), expected=order()),
        ):
            with pytest.raises(ScheduleNotFound):
                run(lookup)

    @pytest.mark.usefixtures("pushed")
    def test_due(self, store: Store, run: Run) -> None:
        """Due are the schedules whose instant has come, the longest due first."""
        second = run(store.schedules.add(order(1, next_due=at(20))))
        first = run(store.schedules.add(order(2, next_due=at(10))))
        run(store.schedules.add(order(3, next_due=at(30))))
        assert at(10) == run(store.schedules.next_due())
        assert [] == run(store.schedules.due(at(9.999), limit=9))
        assert [first, second] == run(store.schedules.due(at(20), limit=9))
        assert [first] == run(store.schedules.due(at(20), limit=1))

    @pytest.mark.usefixtures("pushed")
    def test_starting_before(self, store: Store, run: Run) -> None:
        """Those that may start before an instant are told, in the little that says when."""
        early = run(store.schedules.add(order(1, next_due=at(20), last_planned=at(5))))
        spread = replace(order(2, next_due=at(40)), policies=Policies(jitter_s=15))
        run(store.schedules.add(spread))
        run(store.schedules.add(order(3, next_due=at(30))))
        run(store.schedules.add(order(4, next_due=None, state=ScheduleState.PAUSED)))

        found = {one.id: one for one in run(store.schedules.starting_before(at(30)))}

        assert found.keys() == {early.id, spread.id}
        first = found[early.id]
        assert first.timing == early.timing
        assert (first.last_planned_ms, first.next_due_ms) == (ms_of(at(5)), ms_of(at(20)))
        assert found[spread.id].jitter_s == 15

    @pytest.mark.usefixtures("pushed")
    def test_active(self, store: Store, run: Run) -> None:
        """The active ones come page by page, each once, by their ids."""
        paused = order(9, next_due=None, state=ScheduleState.PAUSED)
        added = [run(store.schedules.add(one)) for one in (*map(order, (3, 1, 2)), paused)]
        by_id = sorted(added[:3], key=lambda schedule: schedule.id)
        first = run(store.schedules.active(after=None, limit=2))
        assert by_id[:2] == first
        assert by_id[2:] == run(store.schedules.active(after=first[-1].id, limit=2))
        assert [] == run(store.schedules.active(after=by_id[-1].id, limit=2))

    @pytest.mark.usefixtures("pushed")
    @pytest.mark.parametrize("name", ["changed_at", "anchor", "last_planned"])
    def test_latest_moment(self, store: Store, run: Run, name: str) -> None:
        """The latest moment is that of a change, an anchor or an instant of an active one."""
        assert run(store.schedules.latest_moment()) is None
        paused = order(1, next_due=None, state=ScheduleState.PAUSED, changed_at=at(99_999))
        for one in (order(2), order(3, **{name: at(50_000)}), paused):
            run(store.schedules.add(one))
        assert at(50_000) == run(store.schedules.latest_moment())

    @pytest.mark.usefixtures("pushed")
    def test_fire(self, store: Store, run: Run) -> None:
        """Firing moves the schedule, adds its jobs and notes the rest, all together."""
        before = run(store.schedules.add(order()))
        after = replace(
            before,
            next_due=at(7200),
            last_planned=at(3600),
            counts=Counts(fired=1, missed=2),
        )
        note = missed(before, 5)
        (job,) = run(store.schedules.fire(before, after, [planned(before, at(3600))], [note]))
        assert job == run(store.jobs.get(UUID(int=1)))
        assert (before.id, at(3600)) == (job.schedule_id, job.planned_at)
        assert after == run(store.schedules.get(before.id))
        assert [note] == run(store.schedules.events(before.id))
        assert {before.id: (job,)} == run(store.schedules.active_jobs_of([before.id]))
        assert {before.id: job} == run(store.schedules.last_jobs_of([before.id, UUID(int=1)]))
        assert [job] == run(store.jobs.find(JobFilter(schedule_id=before.id)))

    @pytest.mark.usefixtures("pushed")
    def test_fire_twice(self, store: Store, run: Run) -> None:
        """The same instant fires once: the second firing finds the schedule moved."""
        before = run(store.schedules.add(order()))
        after = replace(before, next_due=at(7200))
        run(store.schedules.fire(before, after, [planned(before, at(3600))]))
        again = run(
            store.schedules.fire(
                before, replace(before, next_due=at(9999)), [planned(before, at(4000), 2)]
            )
        )
        assert () == again
        assert after == run(store.schedules.get(before.id))
        assert 1 == run(store.jobs.count(JobFilter()))

    @pytest.mark.usefixtures("pushed")
    def test_fire_planned_already(self, store: Store, run: Run) -> None:
        """An instant that has a job (by a backfill) moves the schedule and adds none."""
        before = run(store.schedules.add(order()))
        run(store.jobs.add(planned(before, at(3600))))
        after = replace(before, next_due=at(7200), counts=Counts(fired=1))
        assert () == run(store.schedules.fire(before, after, [planned(before, at(3600), 2)]))
        assert replace(after, counts=Counts()) == run(store.schedules.get(before.id))

    @pytest.mark.usefixtures("pushed")
    def test_fire_instead(self, store: Store, run: Run) -> None:
        """A job that gives way is moved in the same transaction."""
        before = run(store.schedules.add(order()))
        old = run(store.jobs.add(planned(before, at(1800))))
        cancelled = advance(old, Cancel(by="scheduler"), now=at(3600))
        after = replace(before, next_due=at(7200))
        fired = run(
            store.schedules.fire(
                before, after, [planned(before, at(3600), 2)], cancel=[(cancelled, old)]
            )
        )
        assert [UUID(int=2), UUID(int=1)] == [job.id for job in fired]
        assert cancelled.state == run(store.jobs.get(old.id)).state
        assert {before.id: (fired[0],)} == run(store.schedules.active_jobs_of([before.id]))
        assert {before.id: fired[0]} == run(store.schedules.last_jobs_of([before.id]))

    @pytest.mark.usefixtures("pushed")
    def test_fire_instead_of_a_stranger(self, store: Store, run: Run) -> None:
        """If a job that should give way has moved meanwhile, nothing is fired."""
        before = run(store.schedules.add(order()))
        old = run(store.jobs.add(planned(before, at(1800))))
        run(store.jobs.save(advance(old, Claimed(), now=at(1801)), expected=old))
        pair = (advance(old, Cancel(by="scheduler"), now=at(3600)), old)
        after = replace(before, next_due=at(7200))
        with pytest.raises(StaleJob):
            run(store.schedules.fire(before, after, [planned(before, at(3600), 2)], cancel=[pair]))
        assert before == run(store.schedules.get(before.id))
        assert 1 == run(store.jobs.count(JobFilter()))

    def test_fire_many(self, store: Store, run: Run, pushed: Version) -> None:
        """Schedules fire together; if one job cannot be accepted none is fired."""
        orders = [run(store.schedules.add(order(number))) for number in range(3)]
        firings = [
            Firing(
                before=before,
                after=replace(before, next_due=at(7200)),
                jobs=[planned(before, at(3600), number)],
            )
            for number, before in enumerate(orders, start=1)
        ]
        gone = replace(planned(orders[0], at(3601), 9), request=request(spider="gone"))
        with pytest.raises(SpiderNotFound):
            run(store.schedules.fire_many([*firings[:2], replace(firings[2], jobs=[gone])]))
        assert orders[0] == run(store.schedules.get(orders[0].id))
        fired = run(store.schedules.fire_many(firings))
        assert [1, 2, 3] == [job.id.int for job in fired]
        assert {pushed.id} == {job.deploy_id for job in fired}
        assert [] == run(store.schedules.due(at(3600), limit=9))

    @pytest.mark.usefixtures("pushed")
    def test_events_are_bounded(self, store: Store, run: Run) -> None:
        """Of each schedule only the newest events are kept."""
        before, other = (run(store.schedules.add(order(number))) for number in (1, 2))
        notes = [missed(before, number) for number in range(EVENTS_KEPT + 5)]
        run(store.schedules.fire(other, replace(other, next_due=None), [], [missed(other, 1)]))
        run(store.schedules.fire(before, replace(before, next_due=at(7200)), [], notes))
        kept = run(store.schedules.events(before.id, limit=EVENTS_KEPT + 5))
        assert notes[:4:-1] == kept
        assert notes[-3:-5:-1] == run(store.schedules.events(before.id, limit=2, skip=2))
        assert [missed(other, 1)] == run(store.schedules.events(other.id))

    @pytest.mark.usefixtures("pushed")
    def test_no_jobs_of_a_schedule(self, store: Store, run: Run) -> None:
        """A schedule without jobs has none active and no last one."""
        schedule = run(store.schedules.add(order()))
        assert {} == run(store.schedules.active_jobs_of([schedule.id]))
        assert {} == run(store.schedules.last_jobs_of([schedule.id]))
