"""What every store does, whichever database it is on.

`TestX(StoreContract)` in a test module gives the two fixtures: `store`, an empty one, and
`run`, which runs a coroutine to its end.
"""

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from scrapy_do.core.filter import ACTIVE_STATES, JobFilter, StateName, states
from scrapy_do.core.job import (
    Actor,
    Cancel,
    Claimed,
    Declared,
    Delete,
    Driver,
    Event,
    Exited,
    Fenced,
    Finished,
    Job,
    JobKey,
    NewJob,
    Outcome,
    Pending,
    Progress,
    Running,
    Started,
    Starting,
    State,
    StopCause,
    Stopping,
    advance,
)
from scrapy_do.core.project import ArchiveRef, NewVersion, Project, Spider, Version
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
from scrapy_do.errors import (
    DuplicateJob,
    Invalid,
    JobNotFound,
    ProjectNotFound,
    ScheduleNotFound,
    SpiderNotFound,
    StaleJob,
    VersionNotFound,
)
from scrapy_do.store.counters import JobCounters
from scrapy_do.store.schedules import EVENTS_KEPT, Firing
from scrapy_do.store.store import Store
from tests.factories import PROCESS, START, at, ending, request

Run = Callable[[Coroutine[Any, Any, Any]], Any]

SPIDERS = ("toscrape-css", "toscrape-xpath")
FINISHED = Finished(
    since=at(60), started=at(1), attempt=1, outcome=Outcome.SUCCESSFUL, reason="finished"
)


def version(project: str = "quotesbot", **fields: Any) -> NewVersion:
    return NewVersion(
        **{
            "project": project,
            "label": None,
            "archive": ArchiveRef(digest="0a" * 32, size_bytes=4096),
            "root": "",
            "settings_module": "quotesbot.settings",
            "spiders": SPIDERS,
            "pushed_at": START,
            "pushed_by": "ann",
            **fields,
        }
    )


def new(number: int = 1, state: State | None = None, **fields: Any) -> NewJob:
    return NewJob(
        **{
            "id": UUID(int=number),
            "request": request(),
            "state": state or Pending(since=at(number)),
            "created_at": at(number),
            **fields,
        }
    )


def order(number: int = 1, **fields: Any) -> Schedule:
    return Schedule(
        **{
            "id": UUID(int=1000 + number),
            "request": request(),
            "spec": "every hour",
            "zone": "Europe/Berlin",
            "anchor": START,
            "created_at": at(number),
            "changed_at": at(number),
            "created_by": "ann",
            "next_due": at(3600),
            **fields,
        }
    )


def planned(schedule: Schedule, planned_at: datetime, number: int = 1) -> NewJob:
    return new(
        number,
        actor=Actor.SCHEDULER,
        schedule_id=schedule.id,
        planned_at=planned_at,
    )


def missed(schedule: Schedule, number: int) -> ScheduleEvent:
    return ScheduleEvent(
        schedule_id=schedule.id,
        kind=ScheduleEventKind.MISSED,
        first=at(number),
        last=at(number + 1),
        count=2,
        reason="the daemon was down",
    )


class StoreContract:
    """The contract; see the module's docstring."""

    @pytest.fixture
    def pushed(self, store: Store, run: Run) -> Version:
        _, stored = run(store.projects.put_version(version()))
        assert isinstance(stored, Version)
        return stored

    # --- projects ------------------------------------------------------------------------------

    def test_first_version(self, store: Store, run: Run) -> None:
        """The first version of a project makes the project, its spiders and their numbers."""
        expected = Version(
            id=1,
            project_id=1,
            label="1",
            archive=ArchiveRef(digest="0a" * 32, size_bytes=4096),
            root="",
            settings_module="quotesbot.settings",
            spiders=SPIDERS,
            pushed_at=START,
            pushed_by="ann",
        )
        project = Project(id=1, name="quotesbot", current=expected, created_at=START)
        assert (project, expected) == run(store.projects.put_version(version()))
        assert project == run(store.projects.get("quotesbot"))
        assert project == run(store.projects.get_by_id(1))
        assert [project] == run(store.projects.all())
        assert [expected] == run(store.projects.versions("quotesbot"))
        assert expected == run(store.projects.version("quotesbot", "1"))
        assert expected == run(store.projects.version_by_id(1))
        assert [
            Spider(project_id=1, number=1, name="toscrape-css", deployed=True),
            Spider(project_id=1, number=2, name="toscrape-xpath", deployed=True),
        ] == run(store.projects.spiders(1))

    def test_spiders_follow_the_current_version(self, store: Store, run: Run) -> None:
        """A spider keeps its number for ever and is deployed while the current version has it."""
        run(store.projects.put_version(version()))
        run(store.projects.put_version(version(spiders=("another", "toscrape-css"))))
        spiders = [
            Spider(project_id=1, number=3, name="another", deployed=True),
            Spider(project_id=1, number=1, name="toscrape-css", deployed=True),
            Spider(project_id=1, number=2, name="toscrape-xpath", deployed=False),
        ]
        assert spiders == run(store.projects.spiders(1))
        run(store.projects.set_current("quotesbot", "1"))
        deployed = [spider.deployed for spider in run(store.projects.spiders(1))]
        assert [False, True, True] == deployed

    def test_labels(self, store: Store, run: Run) -> None:
        """Without a label a version gets the next number that nobody took as a label."""
        labels = [
            run(store.projects.put_version(version(label=label)))[1].label
            for label in (None, "3", "v1.0", None, None)
        ]
        assert ["1", "3", "v1.0", "2", "4"] == labels
        kept = [kept.label for kept in run(store.projects.versions("quotesbot"))]
        assert list(reversed(labels)) == kept

    def test_label_again(self, store: Store, run: Run) -> None:
        """A version of the same label replaces the old one, which accepted jobs keep."""
        _, old = run(store.projects.put_version(version(label="v1")))
        job = run(store.jobs.add(new()))
        archive = ArchiveRef(digest="0b" * 32, size_bytes=1)
        project, current = run(store.projects.put_version(version(label="v1", archive=archive)))
        assert current == project.current
        assert [current] == run(store.projects.versions("quotesbot"))
        assert old == run(store.projects.version_by_id(job.deploy_id))
        assert {"0a" * 32, "0b" * 32} == run(store.projects.archives_in_use())

    def test_version_beside_the_current_one(self, store: Store, run: Run) -> None:
        """A version may be stored without becoming current, unless it is the first."""
        _, first = run(store.projects.put_version(version(), make_current=False))
        project, _ = run(store.projects.put_version(version(), make_current=False))
        assert first == project.current

    def test_named_project(self, store: Store, run: Run) -> None:
        """A project that was only named has a number and no current version."""
        named = Project(id=1, name="quotesbot", current=None, created_at=START)
        assert named == run(store.projects.name("quotesbot", now=START))
        assert named == run(store.projects.name("quotesbot", now=at(5)))
        assert 1 == run(store.projects.put_version(version()))[0].id

    def test_removed_project(self, store: Store, run: Run) -> None:
        """A removed project is gone at once; pushed again it has its number back."""
        run(store.projects.put_version(version()))
        run(store.projects.put_version(version("other")))
        run(store.projects.remove("quotesbot"))
        assert ["other"] == [project.name for project in run(store.projects.all())]
        for lookup in (
            store.projects.get("quotesbot"),
            store.projects.get_by_id(1),
            store.projects.versions("quotesbot"),
            store.projects.remove("quotesbot"),
            store.jobs.add(new()),
            store.schedules.add(order()),
        ):
            with pytest.raises(ProjectNotFound):
                run(lookup)
        project, again = run(store.projects.put_version(version()))
        assert (1, "2", again) == (project.id, again.label, project.current)

    def test_archives_of_removed_projects(self, store: Store, run: Run) -> None:
        """A removed project's archive is in use until the last job that needs it has ended."""
        run(store.projects.put_version(version()))
        job = run(store.jobs.add(new()))
        run(store.projects.remove("quotesbot"))
        assert {"0a" * 32} == run(store.projects.archives_in_use())
        run(store.jobs.save(advance(job, Cancel(by="ann"), now=at(5)), expected=job))
        assert set() == run(store.projects.archives_in_use())

    def test_remove_version(self, store: Store, run: Run) -> None:
        """After the current version the newest other one becomes current."""
        for _ in range(3):
            run(store.projects.put_version(version()))
        run(store.projects.remove_version("quotesbot", "3"))
        run(store.projects.remove_version("quotesbot", "1"))
        assert "2" == run(store.projects.get("quotesbot")).current.label
        run(store.projects.remove_version("quotesbot", "2"))
        assert run(store.projects.get("quotesbot")).current is None
        with pytest.raises(VersionNotFound):
            run(store.projects.remove_version("quotesbot", "2"))

    def test_prune_versions(self, store: Store, run: Run) -> None:
        """Old versions are pruned, but not the current one nor those of standing orders."""
        for _ in range(5):
            run(store.projects.put_version(version()))
        run(store.projects.set_current("quotesbot", "1"))
        run(store.schedules.add(order(request=request(version="2"))))
        pruned = run(store.projects.prune_versions(2))
        assert ["3"] == [old.label for old in pruned]
        kept = [kept.label for kept in run(store.projects.versions("quotesbot"))]
        assert ["5", "4", "2", "1"] == kept

    def test_pruned_version_of_a_job(self, store: Store, run: Run) -> None:
        """The row of a pruned version goes when no job names it any more."""
        run(store.projects.put_version(version()))
        job = run(store.jobs.add(new(state=FINISHED)))
        run(store.projects.put_version(version()))
        run(store.projects.prune_versions(1))
        assert "1" == run(store.projects.version_by_id(job.deploy_id)).label
        run(store.jobs.delete([job.id]))
        run(store.projects.prune_versions(1))
        with pytest.raises(VersionNotFound):
            run(store.projects.version_by_id(job.deploy_id))

    def test_spider_numbers(self, store: Store, run: Run, pushed: Version) -> None:
        """A name is given a number on request only, and then keeps it."""
        number = store.projects.spider_number
        assert 2 == run(number(pushed.project_id, "toscrape-xpath"))
        assert run(number(pushed.project_id, "later")) is None
        assert 3 == run(number(pushed.project_id, "later", create=True))
        assert 3 == run(number(pushed.project_id, "later"))
        assert not run(store.projects.spiders(1))[0].deployed

    # --- jobs: accepting -----------------------------------------------------------------------

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

    # --- jobs: moving --------------------------------------------------------------------------

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
        assert JobCounters(run=1, successful=1) == run(store.jobs.counters())

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

        moved = run(store.jobs.edit_all([second.id, UUID(int=99), first.id], start))
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

    @pytest.mark.usefixtures("pushed")
    def test_request_cancel(self, store: Store, run: Run) -> None:
        """The wish to end a client's job is noted without moving it."""
        job = run(store.jobs.add(new(driver=Driver.CLIENT)))
        assert replace(job, cancelled_by="ann") == run(store.jobs.request_cancel(job, "ann"))

    def test_take(self, store: Store, run: Run, pushed: Version) -> None:
        """The next pending job for a client is the oldest of the highest priority."""
        run(
            store.jobs.add_all(
                [
                    new(1, request=request(priority=1)),
                    new(3, request=request(priority=3)),
                    new(2, request=request(priority=3)),
                ]
            )
        )

        def start(job: Job) -> Job:
            running = Running(since=at(50), attempt=1, process=None)
            return replace(job, driver=Driver.CLIENT, state=running, started_by="bot")

        taken = [run(store.jobs.take([pushed.project_id], start)) for _ in range(4)]
        assert [UUID(int=2), UUID(int=3), UUID(int=1)] == [job.id for job in taken[:3]]
        assert taken[3] is None
        assert [] == run(store.jobs.active())
        assert {StateName.RUNNING: 3} == run(store.jobs.counts_by_state())

    # --- jobs: what the controller asks --------------------------------------------------------

    @pytest.mark.usefixtures("pushed")
    def test_active(self, store: Store, run: Run) -> None:
        """Active are the started and stopping jobs of our own, not of clients."""
        running = Running(since=at(1), attempt=1, process=None)
        starting = Starting(since=at(1), attempt=1)
        stopping = Stopping(
            since=at(2),
            started=None,
            attempt=1,
            cause=StopCause.CANCEL,
            reason="cancelled",
            process=None,
        )
        run(
            store.jobs.add_all(
                [
                    new(1),
                    new(4, running),
                    new(3, starting),
                    new(2, stopping),
                    new(5, running, driver=Driver.CLIENT),
                    new(6, FINISHED),
                ]
            )
        )
        active = [job.id.int for job in run(store.jobs.active())]
        assert [2, 3, 4] == active

    def add_queue(self, store: Store, run: Run) -> None:
        """Pending jobs of two projects."""
        run(store.projects.put_version(version("other")))
        other, xpath = {"project": "other"}, {"spider": "toscrape-xpath"}
        run(
            store.jobs.add_all(
                [
                    new(1, request=request(priority=1)),
                    new(4),
                    new(3),
                    new(5, request=request(priority=3, **xpath)),
                    new(6, request=request(**other)),
                    new(7, Pending(since=at(7), not_before=at(100)), request=request(priority=4)),
                    new(8, driver=Driver.CLIENT, request=request(priority=4)),
                    new(9, Starting(since=at(9), attempt=1)),
                ]
            )
        )

    @pytest.mark.usefixtures("pushed")
    @pytest.mark.parametrize(
        ("expected", "asked"),
        [
            ([5, 3, 6], {"per_project": 2}),
            ([5, 3, 4, 6, 1], {"per_project": 9}),
            ([6], {"per_project": 9, "full_projects": {"quotesbot"}}),
            ([3, 6], {"per_project": 1, "full_spiders": {("quotesbot", "toscrape-xpath")}}),
            ([5, 6], {"per_project": 1, "full_spiders": {("other", "toscrape-xpath")}}),
            ([], {"per_project": 9, "full_projects": {"quotesbot", "other"}}),
        ],
    )
    def test_pending(
        self, store: Store, run: Run, expected: Sequence[int], asked: dict[str, Any]
    ) -> None:
        """Of each project the first due jobs, highest priority first, then the oldest."""
        self.add_queue(store, run)
        assert expected == [job.id.int for job in run(store.jobs.pending(at(99), **asked))]

    @pytest.mark.usefixtures("pushed")
    def test_not_before(self, store: Store, run: Run) -> None:
        """A job that waits for an instant is due then, and the instant is told before."""
        self.add_queue(store, run)
        assert at(100) == run(store.jobs.next_not_before(at(99)))
        assert run(store.jobs.next_not_before(at(100))) is None
        due = run(store.jobs.pending(at(100), per_project=1))
        assert UUID(int=7) == due[0].id

    @pytest.mark.usefixtures("pushed")
    def test_fenced_job_is_pending_again(self, store: Store, run: Run) -> None:
        """A job that comes back keeps its age in the queue."""
        first, second = run(store.jobs.add_all([new(1), new(2)]))
        claimed = run(store.jobs.save(advance(first, Claimed(), now=at(3)), expected=first))
        run(store.jobs.save(advance(claimed, Fenced(), now=at(4)), expected=claimed))
        due = [job.id for job in run(store.jobs.pending(at(9), per_project=9))]
        assert [first.id, second.id] == due

    # --- jobs: counting and forgetting ---------------------------------------------------------

    @pytest.mark.usefixtures("pushed")
    def test_counters_survive_pruning(self, store: Store, run: Run) -> None:
        """The totals count each end once and outlive the jobs."""
        ends = [
            replace(FINISHED, outcome=outcome, started=started)
            for outcome, started in (
                (Outcome.SUCCESSFUL, at(1)),
                (Outcome.FAILED, at(1)),
                (Outcome.FAILED, None),
                (Outcome.LOST, at(1)),
                (Outcome.CANCELED, None),
            )
        ]
        jobs = run(store.jobs.add_all([new(n, state) for n, state in enumerate(ends)]))
        gone = [(advance(job, Delete(by="ann"), now=at(99)), job) for job in jobs[:2]]
        run(store.jobs.save_all(gone))
        expected = JobCounters(run=3, successful=1, failed=2, canceled=1, lost=1)
        assert expected == run(store.jobs.counters())
        assert {StateName.FINISHED: 3, StateName.DELETED: 2} == run(store.jobs.counts_by_state())
        run(store.jobs.delete([job.id for job in jobs]))
        assert expected == run(store.jobs.counters())
        assert {} == run(store.jobs.counts_by_state())
        assert {} == run(store.jobs.counts_by_state(1))

    @pytest.mark.usefixtures("pushed")
    def test_delete(self, store: Store, run: Run) -> None:
        """Jobs that our controller still attends are not deleted; tags go with their job."""
        tagged = request(tags=("t", "u"))
        run(
            store.jobs.add_all(
                [
                    new(1, FINISHED, request=tagged),
                    new(2, request=tagged),
                    new(3, driver=Driver.CLIENT),
                ]
            )
        )
        deleted = run(store.jobs.delete([UUID(int=number) for number in range(5)]))
        assert {UUID(int=1), UUID(int=3)} == set(deleted)
        left = run(store.jobs.find(JobFilter(tags_any=("t", "u"))))
        assert [UUID(int=2)] == [job.id for job in left]
        assert 1 == run(store.jobs.count(JobFilter(tags_any=("t", "u"))))

    @pytest.mark.usefixtures("pushed")
    def test_prunable(self, store: Store, run: Run) -> None:
        """Each rule names the ended jobs beyond it, oldest first; active ones stay."""
        xpath = request(spider="toscrape-xpath")
        ends = [replace(FINISHED, since=at(60 + n)) for n in range(6)]
        run(
            store.jobs.add_all(
                [
                    *(new(n, ends[n]) for n in range(4)),
                    *(new(n, ends[n], request=xpath) for n in (4, 5)),
                    new(6),
                ]
            )
        )

        def prunable(**rules: Any) -> list[int]:
            return [job_id.int for job_id in run(store.jobs.prunable(**rules))]

        assert [] == prunable()
        assert [0, 1] == prunable(older_than=at(62))
        assert [] == prunable(older_than=at(60))
        assert [0, 1, 2, 4] == prunable(per_spider=1)
        assert [0, 1, 2] == prunable(per_spider=1, limit=3)
        assert [] == prunable(per_spider=4)
        assert [0, 1] == prunable(in_all=4)
        assert [0] == prunable(in_all=0, limit=1)
        assert [] == prunable(in_all=6)

    # --- schedules -----------------------------------------------------------------------------

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
        assert [third, second, first] == run(store.schedules.all())
        assert [second, first] == run(store.schedules.all(project="quotesbot"))
        assert [second] == run(store.schedules.all(states={ScheduleState.PAUSED}))
        assert 3 == run(store.schedules.count_standing())
        run(store.schedules.save(replace(first, **_over), expected=first))
        assert 2 == run(store.schedules.count_standing())
        run(store.schedules.delete([first.id, third.id]))
        assert [second] == run(store.schedules.all())

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
    def test_fire(self, store: Store, run: Run) -> None:
        """Firing moves the schedule, adds its jobs and notes the rest, all together."""
        before = run(store.schedules.add(order()))
        after = replace(
            before,
            next_due=at(7200),
            last_planned=at(3600),
            counts=Counts(fired=1, missed=2),
            changed_at=at(3600),
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

    # --- the rest ------------------------------------------------------------------------------

    def test_meta(self, store: Store, run: Run) -> None:
        """Small values are kept by scope and key, null among them."""
        run(store.meta.put("project/1", {"b": {"x": [1]}, "a": None}))
        run(store.meta.put("project/1", {"b": 2}))
        run(store.meta.put("project/2", {"b": 3}))
        assert {"a": None, "b": 2} == run(store.meta.all("project/1"))
        assert 2 == run(store.meta.get("project/1", "b"))
        assert run(store.meta.get("project/1", "c")) is None
        run(store.meta.delete("project/1", "b"))
        run(store.meta.delete("project/1", "c"))
        assert {"a": None} == run(store.meta.all("project/1"))
        run(store.meta.delete("project/2"))
        assert {} == run(store.meta.all("project/2"))

    def test_ping(self, store: Store, run: Run) -> None:
        """A database that answers raises nothing."""
        assert run(store.ping()) is None

    # --- filters -------------------------------------------------------------------------------

    def add_crowd(self, store: Store, run: Run) -> list[Job]:
        """Jobs of two projects in all states; returned newest change first."""
        run(store.projects.put_version(version("other")))
        made = [
            new(
                number,
                replace(FINISHED, since=at(number)) if number % 2 else None,
                request=request(
                    project=["quotesbot", "other"][number % 3 == 0],
                    spider=SPIDERS[number % 4 == 0],
                    tags=tuple(tag for tag, n in _TAGS.items() if number % n == 0),
                ),
            )
            for number in range(1, 25)
        ]
        jobs = run(store.jobs.add_all(made))
        over = [job for job in jobs if isinstance(job.state, Finished)][:3]
        gone = [(advance(job, Delete(by="ann"), now=at(50)), job) for job in over]
        moved = run(store.jobs.save_all(gone))
        left = [job for job in jobs if job.id not in {job.id for job in moved}]
        return sorted([*left, *moved], key=lambda job: -job.sequence)

    @pytest.mark.usefixtures("pushed")
    @pytest.mark.parametrize(
        "wanted",
        [
            JobFilter(),
            JobFilter(states=frozenset(StateName)),
            JobFilter(states=ACTIVE_STATES),
            JobFilter(states=ACTIVE_STATES, project="other"),
            JobFilter(states=states(StateName.FINISHED), outcomes=frozenset({Outcome.FAILED})),
            JobFilter(outcomes=frozenset({Outcome.SUCCESSFUL}), spider="toscrape-css"),
            JobFilter(project="quotesbot", spider="toscrape-xpath"),
            JobFilter(project="nowhere"),
            JobFilter(project="other", project_id=1),
            JobFilter(spider="nobody"),
            JobFilter(project_id=2, spider_number=1),
            JobFilter(tags_any=("even",)),
            JobFilter(tags_any=("even", "third", "third"), project="quotesbot"),
            JobFilter(tags_none=("even",)),
            JobFilter(tags_none=("even", "third"), states=frozenset(StateName)),
            JobFilter(tags_any=("third",), tags_none=("even",), states=ACTIVE_STATES),
            JobFilter(tags_any=("even", "fifth"), skip=2, limit=3),
            JobFilter(changed_from=at(10), changed_before=at(20)),
            JobFilter(tags_any=("even",), changed_from=at(10), changed_before=at(20)),
            JobFilter(after=12, limit=4),
            JobFilter(after=12, tags_any=("third",)),
            JobFilter(skip=20),
            JobFilter(limit=None),
            JobFilter(skip=3, limit=None),
            JobFilter(limit=0),
            JobFilter(ids=(UUID(int=3), UUID(int=4), UUID(int=99)), tags_any=("even",)),
            JobFilter(ids=()),
            JobFilter(
                keys=(
                    JobKey(project=1, spider=1, number=2),
                    JobKey(project=2, spider=2, number=1),
                    JobKey(project=9, spider=9, number=9),
                )
            ),
            JobFilter(schedule_id=UUID(int=1)),
        ],
    )
    def test_filters(self, store: Store, run: Run, wanted: JobFilter) -> None:
        """Lists and counts have the jobs that match, newest change first, page by page."""
        crowd = self.add_crowd(store, run)
        every = [job for job in crowd if matches(job, wanted)]
        assert page(every, wanted) == run(store.jobs.find(wanted))
        assert len(every) == run(store.jobs.count(wanted))


_TAGS = {"even": 2, "third": 3, "fifth": 5}
_over: dict[str, Any] = {"state": ScheduleState.FINISHED, "next_due": None}


def matches(job: Job, wanted: JobFilter) -> bool:
    """Whether a job matches a filter, its page aside: the plain meaning of every field."""
    state: Any = job.state
    outcome = getattr(getattr(state, "finished", state), "outcome", None)
    tags = set(job.request.tags)
    return all(
        (
            StateName(type(state).__name__.lower()) in wanted.states,
            wanted.outcomes is None or outcome in wanted.outcomes,
            wanted.project in {None, job.request.project},
            wanted.project_id in {None, job.key.project},
            wanted.spider in {None, job.request.spider},
            wanted.spider_number in {None, job.key.spider},
            not wanted.tags_any or bool(tags & set(wanted.tags_any)),
            not tags & set(wanted.tags_none),
            wanted.changed_from is None or job.changed_at >= wanted.changed_from,
            wanted.changed_before is None or job.changed_at < wanted.changed_before,
            wanted.ids is None or job.id in wanted.ids,
            wanted.keys is None or job.key in wanted.keys,
            wanted.schedule_id in {None, job.schedule_id},
        )
    )


def page(jobs: Sequence[Job], wanted: JobFilter) -> list[Job]:
    """The page of matching jobs, given newest first."""
    rest = [job for job in jobs if wanted.after is None or job.sequence < wanted.after]
    last = None if wanted.limit is None else wanted.skip + wanted.limit
    return rest[wanted.skip : last]
