"""What the controller makes of the facts: starts, stops, endings, recovery."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from twisted.internet.defer import Deferred

from scrapy_do.core.events import JobChanged
from scrapy_do.core.filter import JobFilter
from scrapy_do.core.job import (
    Finished,
    Job,
    Outcome,
    Pending,
    Running,
    Starting,
    StopCause,
    Stopping,
)
from scrapy_do.core.plan import JobLimits, Limits
from scrapy_do.errors import LaunchFailed, StoreUnavailable, Unavailable
from scrapy_do.files.artifacts import Artifact
from scrapy_do.files.record_stats import RecordKind
from scrapy_do.launchers.interface import Ended
from scrapy_do.protocol.facts import Ending, Process, Progress
from scrapy_do.protocol.wire import CrawlSpec, Report, ReportKind
from scrapy_do.store.jobs import Jobs
from scrapy_do.system.service import Farewell
from tests.factories import at
from tests.fakes import FakeCrawl, FakeLauncher
from tests.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.put_project()
    return world.start()


async def refuse(_jobs: Jobs, _now: datetime, _known: object) -> tuple[list[Job], None]:
    raise StoreUnavailable("the database is locked")


def exited(**fields: object) -> Ending:
    good = Ending(
        ended_at=at(5),
        status=0,
        opened=True,
        close_reason="finished",
        progress=Progress(
            items=3, requests=2, responses=2, log_lines=9, stats={"item_scraped_count": 3}
        ),
    )
    return replace(good, **fields)  # type: ignore[arg-type]  # fields of Ending


def test_a_job_runs_to_its_end(world: World) -> None:
    """A job is claimed, launched, seen running, and settled with what the crawl said."""
    job_id = world.enqueue()
    crawl = world.launcher.crawl_of(job_id)

    running = world.state(job_id)
    crawl.finish(exited())

    assert crawl.process is not None
    process = Process(pid=crawl.process.pid, start_ticks=crawl.process.start_ticks, boot_id="fake")
    assert Running(since=at(0.002), attempt=1, process=process) == running
    assert Finished(
        since=at(5), started=at(0.002), attempt=1, outcome=Outcome.SUCCESSFUL, reason="finished"
    ) == world.state(job_id)
    assert (
        Progress(items=3, requests=2, responses=2, log_lines=9, stats={"item_scraped_count": 3})
        == world.job(job_id).progress
    )


def test_settled(world: World) -> None:
    """Who asks for all ends waits for a crawl whose processes are gone, and for no other."""
    ending, running = (world.launcher.crawl_of(world.enqueue()) for _ in range(2))
    ending.ending = True

    waiting = Deferred.fromCoroutine(world.controller.settled())
    before = waiting.called
    ending.finish(exited())

    assert (False, True) == (before, waiting.called)
    assert isinstance(world.state(ending.job_id), Finished)
    assert isinstance(world.state(running.job_id), Running)


def test_settled_without_records(world: World) -> None:
    """Ends that cannot be read hold nobody up for long, however many they are."""
    crawls = [world.launcher.crawl_of(world.enqueue()) for _ in range(2)]
    for crawl in crawls:
        crawl.ending = True

    waiting = Deferred.fromCoroutine(world.controller.settled())
    world.pass_time(4)
    before = waiting.called
    world.pass_time(1)

    assert (False, True) == (before, waiting.called)
    assert all(isinstance(world.state(crawl.job_id), Running) for crawl in crawls)


def test_settled_by_a_broken_store(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks is told when the store cannot be, and after the stop."""
    crawl = world.launcher.crawl_of(world.enqueue())
    monkeypatch.setattr(Jobs, "in_hand", refuse)
    world.do(world.controller.settled())  # nothing has ended
    crawl.finish(exited())
    with pytest.raises(Unavailable, match="locked"):
        world.do(world.controller.settled())
    world.do(world.controller.stop(Farewell(leave_crawls=True)))
    with pytest.raises(Unavailable):
        world.do(world.controller.settled())


def test_nothing_is_left_of_a_run(world: World) -> None:
    """The run directory goes with the end, the job's own directory stays."""
    job_id = world.enqueue()
    during = world.run_directories()

    world.launcher.crawl_of(job_id).finish()

    assert [f"{job_id}.1"] == during
    assert world.run_directories() == []
    assert world.artifacts.exists(job_id)
    assert world.clock.getDelayedCalls() == []


def test_the_order_is_complete(world: World) -> None:
    """The crawl is told everything: spider, arguments, settings, payload, environment."""
    job_id = world.enqueue(
        arguments={"category": "books"},
        settings={"LOG_LEVEL": "INFO"},
        payload='{"a": 1}',
    )

    spec = world.launcher.crawl_of(job_id).spec

    crawl_dir = world.root / "runs" / "crawls" / f"{job_id}.1"
    assert (spec.order.project, spec.order.version, spec.order.spider) == (
        "quotesbot",
        "1",
        "toscrape-css",
    )
    assert {"category": "books", "payload": '{"a": 1}'} == spec.order.arguments
    assert {"LOG_LEVEL": "INFO"} == spec.order.settings
    assert {
        "PATH": "/bin",
        "PROJECT_OF": "quotesbot",
        "HOME": str(crawl_dir / "home"),
        "TMPDIR": str(crawl_dir.parents[1] / "tmp" / f"{str(job_id)[:8]}.1"),
        "SCRAPY_JOB": str(world.job(job_id).key),
        "SCRAPY_PROJECT": "quotesbot",
        "SCRAPY_SPIDER": "toscrape-css",
        "SPIDER_DATA_DIR": str(world.root / "spider-data" / "projects" / "quotesbot"),
    } == spec.environment
    assert (crawl_dir / "home").is_dir()
    assert (crawl_dir / "tmp").is_dir()


def test_an_empty_payload_is_no_argument(world: World) -> None:
    """A job without a payload gets no argument of that name."""
    assert world.launcher.crawl_of(world.enqueue()).spec.order.arguments == {}


def test_slots(world: World) -> None:
    """No more crawls than slots; the next starts when one ends."""
    ids = [world.enqueue() for _ in range(3)]

    before = len(world.launcher.alive)
    world.launcher.crawl_of(ids[0]).finish()

    assert before == 2
    assert {ids[1], ids[2]} == {crawl.job_id for crawl in world.launcher.alive}


def test_a_job_behind_others_of_a_full_spider(tmp_path: Path) -> None:
    """A free slot goes to the first job that may have it, however many wait before that."""
    world = World(tmp_path, limits=Limits(slots=2, spider_slots=1))
    world.put_project()
    world.start()
    ids = [world.enqueue() for _ in range(4)]
    other = world.enqueue(spider="toscrape-xpath")

    begun = [crawl.job_id for crawl in world.launcher.alive]
    world.launcher.crawl_of(ids[0]).finish()

    assert [ids[0], other] == begun
    assert [other, ids[1]] == [crawl.job_id for crawl in world.launcher.alive]


class CountedJobs(Jobs):
    """Counts how often the controller asks for its jobs, and moves some, and how many it reads."""

    looks = moves = read = 0

    async def in_hand(
        self, now: datetime, known: Sequence[Job] = ()
    ) -> tuple[list[Job], datetime | None]:
        self.looks += 1
        jobs, due = await super().in_hand(now, known)
        same = {id(job) for job in known}
        self.read += sum(id(job) not in same for job in jobs)
        return jobs, due

    async def save_all(self, pairs: Sequence[tuple[Job, Job]]) -> list[Job]:
        self.moves += 1
        return await super().save_all(pairs)


def test_what_a_job_asks_of_the_store(world: World) -> None:
    """Each step of a job is one look and one move: nothing is looked at again after it."""
    ids = [world.enqueue() for _ in range(4)]
    jobs = CountedJobs(world.store.jobs._database)
    world.store.jobs = jobs
    for job_id in ids[:2]:
        world.launcher.crawl_of(job_id).finish(exited())

    # Twice: one ends and the next is claimed, the next is seen to run.
    assert (jobs.looks, jobs.moves) == (4, 4)
    assert {ids[2], ids[3]} == {crawl.job_id for crawl in world.launcher.alive}


def test_many_ends(tmp_path: Path) -> None:
    """However many crawls run, the end of one leads to no other job being read again."""
    world = World(tmp_path, limits=Limits(slots=40))
    world.put_project()
    world.start()
    ids = [world.enqueue() for _ in range(40)]
    jobs = CountedJobs(world.store.jobs._database)
    world.store.jobs = jobs
    for job_id in ids[:30]:
        world.launcher.crawl_of(job_id).finish(exited())

    assert (jobs.looks, jobs.moves, jobs.read) == (30, 30, 0)
    assert len(world.launcher.alive) == 10
    assert all(isinstance(world.state(job_id), Finished) for job_id in ids[:30])


def test_cancel_pending(world: World) -> None:
    """A waiting job is over at once, and never starts."""
    ids = [world.enqueue() for _ in range(3)]

    job = world.do(world.jobs.cancel(ids[2], by="tester"))

    assert isinstance(job.state, Finished)
    assert (job.state.outcome, job.state.started) == (Outcome.CANCELED, None)
    assert job.cancelled_by == "tester"
    world.launcher.crawl_of(ids[0]).finish()
    assert [ids[1]] == [crawl.job_id for crawl in world.launcher.alive]


def test_cancel_running(world: World) -> None:
    """A running crawl is asked to stop, and the answer comes when it has ended."""
    job_id = world.enqueue()

    job = world.do(world.jobs.cancel(job_id, by="tester"))

    assert isinstance(job.state, Finished)
    assert (job.state.outcome, job.state.reason) == (Outcome.CANCELED, "cancelled")
    assert world.launcher.crawl_of(job_id).asked == 1


def test_cancel_stubborn(world: World) -> None:
    """A crawl that ignores the wish is killed after the grace period, and not before."""
    world.launcher.stubborn_spiders.add("toscrape-css")
    job_id = world.enqueue()
    world.do(world.jobs.cancel(job_id, by="tester", wait_s=0))
    crawl = world.launcher.crawl_of(job_id)

    world.pass_time(29)
    before = crawl.killed
    world.pass_time(1)

    assert (before, crawl.killed) == (0, 1)
    assert world.state(job_id).outcome is Outcome.CANCELED


def test_a_cancel_waits_ten_seconds_at_most(world: World) -> None:
    """The answer to a cancel comes after ten seconds though the crawl goes on."""
    world.launcher.stubborn_spiders.add("toscrape-css")
    job_id = world.enqueue()
    answer = Deferred.fromCoroutine(world.jobs.cancel(job_id, by="tester"))

    world.pass_time(9)
    before = answer.called
    world.pass_time(1)

    assert not before
    assert isinstance(completed_deferred(answer).state, Stopping)


def completed_deferred(answer: Deferred[Job]) -> Job:
    """Return what a Deferred that has fired holds."""
    results: list[Job] = []

    def keep(job: Job) -> None:
        results.append(job)

    answer.addCallback(keep)
    return results[0]


def test_timeout(tmp_path: Path) -> None:
    """A crawl that takes too long fails with that reason."""
    world = World(tmp_path, limits=Limits(slots=1, job=JobLimits(timeout_s=60)))
    world.put_project()
    world.start()
    job_id = world.enqueue()

    world.pass_time(59)
    before = world.state(job_id)
    world.pass_time(1)

    assert isinstance(before, Running)
    after = world.state(job_id)
    assert (after.outcome, after.reason) == (Outcome.FAILED, "job_timeout")


def test_stall(tmp_path: Path) -> None:
    """A crawl without progress fails; every report that shows progress gives it more time."""
    world = World(tmp_path, limits=Limits(slots=1, job=JobLimits(stall_timeout_s=20)))
    world.put_project()
    world.start()
    job_id = world.enqueue()

    world.pass_time(15)
    world.launcher.report(report(world, job_id, items=1))
    world.pass_time(15)
    world.launcher.report(report(world, job_id, items=1))  # the same again is no progress
    before = world.state(job_id)
    world.pass_time(5)

    assert isinstance(before, Running)
    after = world.state(job_id)
    assert (after.outcome, after.reason) == (Outcome.FAILED, "stall_timeout")


def test_memory(tmp_path: Path) -> None:
    """A crawl that grows too large fails, its neighbour goes on."""
    world = World(tmp_path, limits=Limits(slots=2, job=JobLimits(memory_bytes=100)))
    world.put_project()
    world.start()
    greedy, modest = world.enqueue(), world.enqueue()
    for job_id, size in ((greedy, 101), (modest, 100)):
        process = world.launcher.crawl_of(job_id).process
        assert process is not None
        world.memory[process.pid] = size

    world.pass_time(1)

    after = world.state(greedy)
    assert (after.outcome, after.reason) == (Outcome.FAILED, "memory_limit")
    assert isinstance(world.state(modest), Running)


def report(world: World, job_id: object, **counts: int) -> Report:
    return Report(
        job_id=job_id,  # type: ignore[arg-type]  # a UUID
        attempt=1,
        kind=ReportKind.PROGRESS,
        time_ms=int(world.now().timestamp() * 1000),
        progress=Progress(**counts),  # type: ignore[arg-type]  # only counts
    )


def test_progress_is_stored(world: World) -> None:
    """Reports are written at most once a second, the latest of each crawl."""
    job_id = world.enqueue()

    world.launcher.report(report(world, job_id, items=1))
    world.launcher.report(report(world, job_id, items=2))
    before = world.job(job_id).progress
    world.pass_time(1)

    assert Progress() == before
    assert Progress(items=2) == world.job(job_id).progress


def test_a_launch_that_fails_is_repeated(world: World) -> None:
    """A job whose launch fails waits, a little longer each time, and then runs."""
    world.launcher.refusals = [LaunchFailed("fork: try again"), LaunchFailed("fork: try again")]
    job_id = world.enqueue()
    first = world.state(job_id)

    world.pass_time(0.5)
    second = world.state(job_id)
    world.pass_time(1)

    assert Pending(since=at(0.002), attempt=0, not_before=at(0.5)) == first
    assert Pending(since=at(0.501), attempt=0, not_before=at(1.5)) == second
    assert isinstance(world.state(job_id), Running)
    assert world.run_directories() == [f"{job_id}.1"]


def test_an_archive_that_is_gone(world: World) -> None:
    """A job whose archive has vanished ends with that reason instead of waiting for ever."""
    for archive in (world.root / "archives" / "packed").iterdir():
        archive.unlink()

    job_id = world.enqueue()

    after = world.state(job_id)
    assert after.outcome is Outcome.LOST
    assert after.reason == "could not be started: the archive of version 1 is gone"


def test_retries(world: World) -> None:
    """A failed crawl is repeated after its delay, as often as its request says."""
    job_id = world.enqueue(retries=1, retry_delay_s=60)
    failed = exited(status=1)
    world.launcher.crawl_of(job_id).finish(failed)
    waiting = world.state(job_id)

    world.pass_time(65)
    second = world.launcher.crawl_of(job_id)
    second.finish(replace(failed, ended_at=at(70)))

    assert Pending(since=at(5), attempt=1, not_before=at(65)) == waiting
    assert second.attempt == 2
    assert world.state(job_id).outcome is Outcome.FAILED


def crawled(world: World, job_id: UUID, *items: bytes) -> None:
    """Write what a crawl writes: its log and its items."""
    world.artifacts.path(job_id, Artifact.STDERR).touch()
    world.artifacts.records(job_id, RecordKind.ITEMS).write(items, now_ms=1)
    lines = [b'{"time":1,"level":20,"message":"a"}', b'{"time":1,"level":40,"message":"b"}']
    world.artifacts.records(job_id, RecordKind.LOGS).write(lines, now_ms=1)


@pytest.mark.parametrize(
    "ending",
    [
        {"signal": 9},
        {"status": 1},
        {"status": 0},
        {"lost": "nobody saw its end"},
        {"status": 1, "close_reason": "finished"},
    ],
    ids=str,
)
def test_a_crawl_without_last_words_is_counted(world: World, ending: dict[str, Any]) -> None:
    """What it has reported is older than what it has written: its records are counted."""
    job_id = world.enqueue()
    crawled(world, job_id, b"{}", b"{}", b"{}")
    stats = {"item_scraped_count": 1, "other": 5, "scrapy_do/dropped/log_lines": 10}
    told = Progress(items=1, requests=7, responses=5, log_lines=1, stats=stats)
    world.launcher.crawl_of(job_id).finish(
        Ending(ended_at=at(5), opened=True, progress=told, **ending)
    )
    assert world.job(job_id).progress == Progress(
        items=3,
        requests=7,
        responses=0,
        log_lines=12,
        errors=1,
        stats={**stats, "item_scraped_count": 3},
    )


def test_records_that_others_wrote_are_counted(world: World) -> None:
    """What clients wrote over HTTP to a job of ours is in its counts at its end."""
    job_id = world.enqueue()
    crawled(world, job_id, b"{}", b"{}", b"{}", b"{}")
    stats = {"item_scraped_count": 3}
    told = Progress(items=3, requests=1, responses=1, log_lines=1, stats=stats)
    world.launcher.crawl_of(job_id).finish(exited(progress=told))
    assert world.job(job_id).progress == Progress(
        items=4,
        requests=1,
        responses=1,
        log_lines=2,
        errors=1,
        stats=stats,
    )


def test_a_retry_begins_without_records_and_counts(world: World) -> None:
    """Until it begins those of the failed attempt are the job's; then they are kept apart."""
    job_id = world.enqueue(retries=1, retry_delay_s=60)
    crawled(world, job_id, b"{}", b"{}")
    world.launcher.crawl_of(job_id).finish(exited(signal=9, status=None))
    waiting = world.job(job_id).progress.items, world.artifacts.attempts(job_id)

    world.pass_time(65)

    assert waiting == (2, 0)
    assert world.job(job_id).progress == Progress()
    assert world.artifacts.records(job_id, RecordKind.ITEMS).count() == 0
    assert world.artifacts.attempts(job_id) == 1
    assert world.artifacts.records(job_id, RecordKind.ITEMS, 1).count() == 2


def test_changes_are_published(world: World) -> None:
    """Listeners hear of every state of a job, in order."""
    job_id = world.enqueue()
    world.launcher.crawl_of(job_id).finish()

    heard = [
        type(happening.job.state).__name__
        for happening in world.happenings
        if isinstance(happening, JobChanged)
    ]

    assert heard == ["Pending", "Starting", "Running", "Finished"]


# --- restarts ----------------------------------------------------------------------------------


def test_crawls_are_adopted(world: World) -> None:
    """The next daemon goes on with what runs, and settles its end."""
    job_id = world.enqueue()
    world.do(world.controller.stop(Farewell(leave_crawls=True)))

    following = world.restarted().start()
    adopted = following.state(job_id)
    following.launcher.crawl_of(job_id).finish(exited())

    assert isinstance(adopted, Running)
    assert len(following.launcher.crawls) == 1
    assert following.state(job_id).outcome is Outcome.SUCCESSFUL


def test_ends_in_between_are_found(world: World) -> None:
    """What ended while no daemon ran is settled with its true end."""
    job_id = world.enqueue()
    run_dir = world.launcher.crawl_of(job_id).spec.placement.run_dir
    following = world.restarted()
    following.launcher.found = {run_dir: Ended(run_dir=run_dir, ending=exited(status=3))}

    following.start()

    after = following.state(job_id)
    assert (after.outcome, after.reason) == (Outcome.FAILED, "exit status 3")
    assert following.run_directories() == []


def test_what_was_lost_is_said(world: World) -> None:
    """A crawl that died with the machine ends LOST, with the reason."""
    job_id = world.enqueue()
    run_dir = world.launcher.crawl_of(job_id).spec.placement.run_dir
    lost = Ending(ended_at=at(9), lost="the machine was restarted", opened=True)
    following = world.restarted()
    following.launcher.found = {run_dir: Ended(run_dir=run_dir, ending=lost)}

    following.start()

    after = following.state(job_id)
    assert (after.outcome, after.reason) == (Outcome.LOST, "the machine was restarted")


def test_what_never_started_starts(world: World) -> None:
    """A claim whose crawl never came to life is made again, once."""
    job_id = world.enqueue()
    following = world.restarted()
    following.launcher.crawls = {}
    following.launcher.found = {}
    running = world.job(job_id)
    claimed = replace(running, state=Starting(since=at(0), attempt=1))
    world.do(world.store.jobs.save(claimed, expected=running))

    following.start()

    assert isinstance(following.state(job_id), Running)
    assert following.state(job_id).attempt == 1


class LateLauncher(FakeLauncher):
    """Its launches end when `gate` fires; `launched` counts them."""

    def __init__(self) -> None:
        super().__init__()
        self.gate: Deferred[None] = Deferred()
        self.launched = 0

    async def launch(self, spec: CrawlSpec) -> FakeCrawl:
        self.launched += 1
        await self.gate
        return await super().launch(spec)


class LateJobs(Jobs):
    """A store in whose `pending` time goes by: `meanwhile` fires before it answers."""

    meanwhile: Deferred[None]

    async def pending(self, *args: Any, **kwargs: Any) -> list[Job]:
        if not self.meanwhile.called:
            self.meanwhile.callback(None)
        return await super().pending(*args, **kwargs)


def test_a_launch_that_ends_while_facts_are_gathered(tmp_path: Path) -> None:
    """A launch that ends in the middle of a pass is one crawl: not fenced, not launched again."""
    launcher = LateLauncher()
    world = World(tmp_path, launcher=launcher)
    world.put_project()
    world.start()
    job_id = world.enqueue()
    jobs = LateJobs(world.store.jobs._database)
    jobs.meanwhile = launcher.gate
    world.store.jobs = jobs
    world.controller.wake()

    assert launcher.gate.called
    assert isinstance(world.state(job_id), Running)
    assert (launcher.launched, len(world.launcher.alive)) == (1, 1)


def test_a_run_of_nobody_is_cleared_away(world: World) -> None:
    """A run directory whose job is over is removed at the next start."""
    job_id = world.enqueue()
    world.launcher.crawl_of(job_id).finish()
    world.runs.create(job_id, 1)

    following = world.restarted().start()

    assert following.run_directories() == []
    assert isinstance(following.state(job_id), Finished)


def test_plain_stop(world: World) -> None:
    """Crawls are ended in order and run again after the next start, attempt not counted."""
    job_id = world.enqueue()

    world.do(world.controller.stop(Farewell(leave_crawls=False)))
    stopped = world.state(job_id)
    following = world.restarted().start()

    assert Pending(since=at(0.004), attempt=0) == stopped
    assert world.launcher.crawl_of(job_id).killed == 0
    assert isinstance(following.state(job_id), Running)


def test_plain_stop_kills_after_the_grace(world: World) -> None:
    """A crawl that does not end is killed after the grace period; a second signal hurries."""
    world.launcher.stubborn_spiders.add("toscrape-css")
    job_id = world.enqueue()
    over = Deferred.fromCoroutine(world.controller.stop(Farewell(leave_crawls=False)))
    stopping = world.state(job_id)

    world.pass_time(10)
    before = over.called
    world.controller.hurry()

    assert isinstance(stopping, Stopping)
    assert stopping.cause is StopCause.SHUTDOWN
    assert not before
    assert over.called
    assert Pending(since=at(10), attempt=0) == world.state(job_id)


def test_no_new_crawls_while_stopping(world: World) -> None:
    """A slot that gets free while the daemon stops is not filled."""
    ids = [world.enqueue() for _ in range(3)]

    world.do(world.controller.stop(Farewell(leave_crawls=False)))

    assert ids[2] not in {crawl.job_id for crawl in world.launcher.crawls.values()}
    found = world.do(world.store.jobs.find(JobFilter()))
    assert {Pending} == {type(job.state) for job in found}


class VanishingLauncher(FakeLauncher):
    """Starts crawls of which, a moment later, there is nothing but that they never opened."""

    def make_crawl(self, spec: CrawlSpec) -> FakeCrawl:
        crawl = super().make_crawl(spec)
        crawl.finish(Ending(ended_at=at(0), lost="killed together with the process that held it"))
        return crawl


def test_launched_in_vain(tmp_path: Path) -> None:
    """A job whose crawl is gone each time before its spider opens is launched three times."""
    launcher = VanishingLauncher()
    world = World(tmp_path, launcher=launcher)
    world.put_project()
    world.start()
    job_id = world.enqueue()
    world.pass_time(60)

    state = world.state(job_id)
    assert isinstance(state, Finished)
    assert (state.outcome, state.reason) == (
        Outcome.LOST,
        "launched 3 times in vain: killed together with the process that held it",
    )
    assert world.clock.getDelayedCalls() == []


def test_a_launch_that_is_refused_is_not_in_vain(world: World) -> None:
    """A launch that the system refuses is repeated for as long as it takes."""
    world.launcher.refusals = [LaunchFailed("no process can be made")] * 10
    job_id = world.enqueue()
    world.pass_time(120)

    assert isinstance(world.state(job_id), Running)


def test_damaged_records(world: World) -> None:
    """A run whose records cannot be believed ends as failed, and its records are kept."""
    job_id = world.enqueue()
    crawl = world.launcher.crawl_of(job_id)
    crawl.finish(Ending(ended_at=at(5), damaged="its records are damaged: exit is too large"))

    state = world.state(job_id)
    assert (state.outcome, state.reason) == (
        Outcome.FAILED,
        "its records are damaged: exit is too large",
    )
    assert world.run_directories() == []
    assert len(list((world.root / "trash").glob(f"*-run-{job_id}.1"))) == 1


def test_an_end_that_cannot_be_stored(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What no database holds is damage of one run: all others end as they did, and work goes on."""
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    vandal, neighbour = (world.launcher.crawl_of(world.enqueue()) for _ in range(2))
    with monkeypatch.context() as locked:
        locked.setattr(Jobs, "in_hand", refuse)
        vandal.finish(exited(progress=Progress(stats={"deep": nested})))
        neighbour.finish(exited())
    world.pass_time(10)

    state = world.state(vandal.job_id)
    assert (state.outcome, state.reason) == (
        Outcome.FAILED,
        "its records are damaged: a value that is nested too deeply for the database",
    )
    assert world.job(neighbour.job_id).progress.items == 3
    assert world.launcher.crawl_of(world.enqueue())
    assert world.controller.problem is None


def test_a_running_job_without_a_trace(world: World) -> None:
    """A job that had started and of which nothing is left is lost, and not started again."""
    job_id = world.enqueue()
    following = world.restarted()
    following.launcher.found = {}
    following.start()

    state = following.state(job_id)
    assert (state.outcome, state.reason) == (Outcome.LOST, "its records are gone")


class LockedJobs(Jobs):
    """A store that takes no moves, as while another program has the database locked."""

    refused = 0

    async def save_all(self, _pairs: Sequence[tuple[Job, Job]]) -> list[Job]:
        self.refused += 1
        raise StoreUnavailable("the database is locked")


def test_a_launch_in_vain_counts_once(world: World) -> None:
    """However often it could not be stored that a launch came to nothing, it is one of three."""
    job_id = world.enqueue()
    jobs = world.store.jobs
    world.store.jobs = locked = LockedJobs(jobs._database)
    world.launcher.crawl_of(job_id).finish(Ending(ended_at=at(0), lost="killed with its holder"))
    world.pass_time(30)
    world.store.jobs = jobs
    world.pass_time(15)

    assert locked.refused > 3
    assert isinstance(world.state(job_id), Running)
