"""What every store does with jobs that are accepted and moved."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from scrapy_do.core.filter import JobFilter, StateName
from scrapy_do.core.job import (
    Actor,
    Driver,
    Finished,
    Job,
    JobKey,
    Outcome,
    Pending,
    Running,
    Starting,
    State,
    StopCause,
    Stopping,
)
from scrapy_do.core.project import Version
from scrapy_do.core.transitions import (
    Cancel,
    Claimed,
    Declared,
    Delete,
    Event,
    Exited,
    Started,
    advance,
)
from scrapy_do.errors import (
    DuplicateJob,
    Invalid,
    JobNotFound,
    ProjectNotFound,
    SpiderNotFound,
    StaleJob,
    VersionNotFound,
)
from scrapy_do.protocol.facts import Progress
from scrapy_do.store.counters import JobCounters
from scrapy_do.store.store import Store
from tests.factories import PROCESS, START, at, ending, request
from tests.store.values import FINISHED, Run, new, order, planned, version


class JobContract:
    """See `contract`."""

    def test_add_and_get(self, store: Store, run: Run, pushed: Version) -> None:
        """A stored job is what was asked for, with its key, version and sequence."""
        asked = request(
            spider="toscrape-xpath",
            arguments={"a": "ä\U0001f577"},
            settings={"DEPTH_LIMIT": 3, "FEEDS": {"x": [1, None, 2.5]}},
            environment={"TOKEN": "t"},
            priority=4,
            tags=("b", "a"),
            description="nightly",
            payload='{"k": 1}',
            timeout_s=0.5,
            stall_timeout_s=0.0,
            memory_limit_bytes=2**40,
            retries=2,
            retry_delay_s=1.5,
            units=3,
        )
        wanted = new(
            7,
            request=asked,
            unique="u",
            scheduled_by="ann",
            meta={"deep": {"er": [1, "x", None]}},
        )
        expected = Job(
            id=UUID(int=7),
            key=JobKey(project=1, spider=2, number=1),
            request=replace(asked, version="1"),
            deploy_id=pushed.id,
            actor=Actor.USER,
            driver=Driver.LOCAL,
            created_at=at(7),
            changed_at=at(7),
            sequence=1,
            state=Pending(since=at(7)),
            unique="u",
            scheduled_by="ann",
            meta={"deep": {"er": [1, "x", None]}},
        )
        assert expected == run(store.jobs.add(wanted))
        assert expected == run(store.jobs.get(UUID(int=7)))
        assert expected == run(store.jobs.get_by_key(JobKey(project=1, spider=2, number=1)))

    @pytest.mark.parametrize(
        "state",
        [
            Pending(since=at(1), attempt=1, not_before=at(9)),
            Starting(since=at(1), attempt=1),
            Running(since=at(1), attempt=1, process=PROCESS),
            Running(since=at(1), attempt=1, process=None),
            Stopping(
                since=at(2),
                started=None,
                attempt=1,
                cause=StopCause.CANCEL,
                reason="cancelled",
                process=None,
            ),
            Stopping(
                since=at(2),
                started=at(1),
                attempt=2,
                cause=StopCause.LIMIT,
                reason="job_timeout",
                process=PROCESS,
            ),
            Finished(
                since=at(3), started=None, attempt=0, outcome=Outcome.CANCELED, reason="cancelled"
            ),
            FINISHED,
        ],
    )
    def test_states(self, store: Store, run: Run, pushed: Version, state: State) -> None:
        """Every state comes back as it was stored."""
        job = run(store.jobs.add(new(state=state)))
        assert (state, pushed.id) == (job.state, job.deploy_id)
        assert job == run(store.jobs.get(job.id))

    def test_deleted(self, store: Store, run: Run, pushed: Version) -> None:
        """A deleted job remembers how it had finished."""
        job = run(store.jobs.add(new(state=FINISHED)))
        gone = advance(job, Delete(by="ann"), now=at(99))
        saved = run(store.jobs.save(gone, expected=job))
        assert replace(gone, sequence=2) == saved
        assert saved == run(store.jobs.get(job.id))
        assert pushed.id == saved.deploy_id

    @pytest.mark.usefixtures("pushed")
    def test_milliseconds(self, store: Store, run: Run) -> None:
        """Times are kept to the millisecond, before the epoch too."""
        early = datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
        job = run(store.jobs.add(new(state=Pending(since=early), created_at=early)))
        assert early.replace(microsecond=999_000) == job.created_at

    @pytest.mark.usefixtures("pushed")
    def test_numbers_of_jobs(self, store: Store, run: Run) -> None:
        """Job numbers count each spider's jobs and are not used again."""
        jobs = run(
            store.jobs.add_all(
                [new(1), new(2, request=request(spider="toscrape-xpath")), new(3), new(4)]
            )
        )
        assert [1, 1, 2, 3] == [job.key.number for job in jobs]
        assert [1, 2, 3, 4] == [job.sequence for job in jobs]
        job = run(store.jobs.save(advance(jobs[3], Cancel(by="ann"), now=at(9)), expected=jobs[3]))
        run(store.jobs.delete([job.id]))
        assert 4 == run(store.jobs.add(new(5))).key.number

    def test_nothing_to_run(self, store: Store, run: Run, pushed: Version) -> None:
        """A job of an unknown project, version or spider is refused; no number is used."""
        for error, asked in (
            (ProjectNotFound, request(project="other")),
            (VersionNotFound, request(version="9")),
            (SpiderNotFound, request(spider="other")),
        ):
            with pytest.raises(error):
                run(store.jobs.add_all([new(1), new(2, request=asked)]))
        assert [] == run(store.jobs.find(JobFilter()))
        assert pushed.id == run(store.jobs.add(new(request=request(version="1")))).deploy_id

    def test_old_version(self, store: Store, run: Run, pushed: Version) -> None:
        """A job may ask for an earlier version, whose spiders then count."""
        run(store.projects.put_version(version(spiders=("another",))))
        with pytest.raises(SpiderNotFound):
            run(store.jobs.add(new()))
        assert pushed.id == run(store.jobs.add(new(request=request(version="1")))).deploy_id

    def test_spiders_of_clients(self, store: Store, run: Run) -> None:
        """A job that a client drives needs no version, only a spider with a number."""
        run(store.projects.name("quotesbot", now=START))
        theirs = new(driver=Driver.CLIENT)
        with pytest.raises(SpiderNotFound):
            run(store.jobs.add(theirs))
        with pytest.raises(SpiderNotFound):
            run(store.jobs.add(new(driver=Driver.LOCAL)))
        job = run(store.jobs.add(theirs, create_spider=True))
        assert (None, JobKey(project=1, spider=1, number=1)) == (job.deploy_id, job.key)
        assert 2 == run(store.jobs.add(new(2, driver=Driver.CLIENT))).key.number

    @pytest.mark.usefixtures("pushed")
    def test_unique(self, store: Store, run: Run) -> None:
        """A second active job with the same unique value is refused until the first ends."""
        first = run(store.jobs.add(new(1, unique="u")))
        run(store.projects.put_version(version("other")))
        run(store.jobs.add(new(2, unique="u", request=request(project="other"))))
        run(store.jobs.add(new(3, unique="u", state=FINISHED)))
        for again in ([new(4, unique="u")], [new(5, unique="v"), new(6, unique="v")]):
            with pytest.raises(DuplicateJob):
                run(store.jobs.add_all(again))
        run(store.jobs.save(advance(first, Cancel(by="ann"), now=at(9)), expected=first))
        assert 3 == run(store.jobs.add(new(4, unique="u"))).key.number

    @pytest.mark.usefixtures("pushed")
    def test_planned_once(self, store: Store, run: Run) -> None:
        """A planned instant of a schedule gets one job, however often it is asked for."""
        schedule = run(store.schedules.add(order()))
        other = run(store.schedules.add(order(2)))
        first, second = planned(schedule, at(10), 1), planned(other, at(20), 2)
        assert 2 == len(run(store.jobs.add_all([first, second])))
        again = [planned(schedule, at(10), 3), planned(other, at(10), 4)]
        assert [UUID(int=4)] == [job.id for job in run(store.jobs.add_all(again))]
        with pytest.raises(DuplicateJob):
            run(store.jobs.add(planned(schedule, at(10), 5)))
        same = [planned(schedule, at(30), 6), planned(schedule, at(30), 7)]
        assert [UUID(int=6)] == [job.id for job in run(store.jobs.add_all(same))]

    @pytest.mark.usefixtures("pushed")
    @pytest.mark.parametrize(
        "impossible",
        [{"scheduled_by": "\ud800"}, {"state": Pending(since=START, attempt=2**70)}],
    )
    def test_impossible_values(self, store: Store, run: Run, impossible: dict[str, Any]) -> None:
        """A text or number that no database can hold is refused as such."""
        with pytest.raises(Invalid):
            run(store.jobs.add(new(**impossible)))

    @pytest.mark.usefixtures("pushed")
    def test_not_a_number(self, store: Store, run: Run) -> None:
        """NaN and infinities, which JSON has not, become null."""
        odd = {"a": float("nan"), "b": [{"c": float("-inf")}], "d": (1.5,)}
        job = run(store.jobs.add(new(meta=odd)))
        assert {"a": None, "b": [{"c": None}], "d": [1.5]} == job.meta

    def test_unknown_job(self, store: Store, run: Run) -> None:
        """What is not there is not found."""
        with pytest.raises(JobNotFound):
            run(store.jobs.get(UUID(int=1)))
        with pytest.raises(JobNotFound):
            run(store.jobs.get_by_key(JobKey(project=1, spider=1, number=1)))
        with pytest.raises(JobNotFound):
            run(store.jobs.edit(UUID(int=1), lambda job: job))
        assert [UUID(int=1)] == run(store.jobs.unknown([UUID(int=1)]))

    @pytest.mark.usefixtures("pushed")
    def test_life(self, store: Store, run: Run) -> None:
        """Each move is stored whole and gives the job the next sequence."""
        job = run(store.jobs.add(new(request=request(tags=("t",)))))
        events: tuple[Event, ...] = (
            Claimed(),
            Started(process=PROCESS),
            Exited(ending=ending()),
        )
        for seconds, event in enumerate(events, start=2):
            moved = advance(job, event, now=at(seconds))
            saved = run(store.jobs.save(moved, expected=job))
            assert replace(moved, sequence=seconds) == saved
            assert [saved] == run(store.jobs.find(JobFilter(tags_any=("t",))))
            job = saved
        assert JobCounters(run=1, successful=1) == run(store.overview()).ended

    @pytest.mark.usefixtures("pushed")
    def test_stale(self, store: Store, run: Run) -> None:
        """A job that somebody else has moved is not overwritten."""
        job = run(store.jobs.add(new()))
        cancelled = run(store.jobs.save(advance(job, Cancel(by="ann"), now=at(5)), expected=job))
        claimed = advance(job, Claimed(), now=at(5))
        with pytest.raises(StaleJob):
            run(store.jobs.save(claimed, expected=job))
        other = run(store.jobs.add(new(2)))
        pairs = [(claimed, job), (advance(other, Claimed(), now=at(6)), other)]
        assert [other.id] == [saved.id for saved in run(store.jobs.save_all(pairs))]
        assert cancelled == run(store.jobs.get(job.id))
        run(store.jobs.delete([job.id]))
        with pytest.raises(StaleJob):
            run(store.jobs.save(claimed, expected=job))

    @pytest.mark.usefixtures("pushed")
    def test_save_keeps_what_did_not_change(self, store: Store, run: Run) -> None:
        """A move does not undo tags and progress that were stored beside it."""
        job = run(store.jobs.add(new(state=Running(since=at(1), attempt=1, process=PROCESS))))
        run(store.jobs.record_progress({job.id: Progress(items=5, stats={"x": 1})}))
        run(
            store.jobs.edit(
                job.id,
                lambda stored: replace(stored, request=replace(stored.request, tags=("late",))),
            )
        )
        saved = run(store.jobs.save(advance(job, Cancel(by="ann"), now=at(9)), expected=job))
        assert (("late",), Progress(items=5, stats={"x": 1})) == (
            saved.request.tags,
            saved.progress,
        )
        assert [saved] == run(store.jobs.find(JobFilter(tags_any=("late",))))

    @pytest.mark.usefixtures("pushed")
    def test_the_progress_of_an_end_is_whole(self, store: Store, run: Run) -> None:
        """What is counted at the end is not mixed with what was reported just before it."""
        job = run(store.jobs.add(new(state=Running(since=at(1), attempt=1, process=PROCESS))))
        told = Progress(items=5, errors=2, stats={"x": 1}, reported_at=at(3))
        run(store.jobs.record_progress({job.id: told}))
        counted = replace(job, state=FINISHED, progress=Progress(items=5))
        assert Progress(items=5) == run(store.jobs.save(counted, expected=job)).progress

    @pytest.mark.usefixtures("pushed")
    def test_progress(self, store: Store, run: Run) -> None:
        """Progress does not move a job, and an ended job keeps its last figures."""
        running = Running(since=at(1), attempt=1, process=PROCESS)
        jobs = run(store.jobs.add_all([new(1, running), new(2, FINISHED), new(3)]))
        said = Progress(items=1, requests=2, responses=3, log_lines=4, errors=5, stats={"a": 1.5})
        run(store.jobs.record_progress({job.id: said for job in jobs}))
        run(store.jobs.record_progress({}))
        expected = [replace(jobs[0], progress=said), *jobs[1:]]
        assert expected == [run(store.jobs.get(job.id)) for job in jobs]

    @pytest.mark.usefixtures("pushed")
    def test_edit(self, store: Store, run: Run) -> None:
        """An edit without a move keeps the place in lists; with one it takes the next."""
        first, second = run(store.jobs.add_all([new(1), new(2)]))
        edited = run(store.jobs.edit(first.id, lambda job: replace(job, meta={"k": 1})))
        assert replace(first, meta={"k": 1}) == edited
        assert [second, edited] == run(store.jobs.find(JobFilter()))

        def start(job: Job) -> Job:
            running = Running(since=at(9), attempt=1, process=None)
            client = replace(job, driver=Driver.CLIENT)
            return advance(client, Declared(state=running), now=at(9))

        moved = [run(store.jobs.edit(job.id, start)) for job in (second, first)]
        assert [(second.id, 3), (first.id, 4)] == [(job.id, job.sequence) for job in moved]
        assert [] == run(store.jobs.active())

    @pytest.mark.usefixtures("pushed")
    def test_edit_refused(self, store: Store, run: Run) -> None:
        """What a change raises leaves the jobs as they were."""
        job = run(store.jobs.add(new()))

        def refuse(_job: Job) -> Job:
            raise Invalid("no")

        with pytest.raises(Invalid):
            run(store.jobs.edit(job.id, refuse))
        assert job == run(store.jobs.get(job.id))

    def test_take(self, store: Store, run: Run, pushed: Version) -> None:
        """The next pending job for a client is the oldest of the highest priority."""
        for number, priority in ((1, 1), (3, 3), (2, 3)):
            run(store.jobs.add(new(number, request=request(priority=priority))))

        def start(job: Job) -> Job:
            running = Running(since=at(50), attempt=1, process=None)
            return replace(job, driver=Driver.CLIENT, state=running, started_by="bot")

        taken = [run(store.jobs.take([pushed.project_id], start)) for _ in range(4)]
        assert [UUID(int=2), UUID(int=3), UUID(int=1)] == [job.id for job in taken[:3]]
        assert taken[3] is None
        assert [] == run(store.jobs.active())
        assert {StateName.RUNNING: 3} == run(store.jobs.counts_by_state())
