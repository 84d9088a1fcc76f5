"""What happens next: tables of facts and actions, and random walks."""

import random
from collections import Counter
from dataclasses import replace
from uuid import UUID

import pytest

from scrapy_do.core.job import (
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
from scrapy_do.core.plan import (
    Action,
    JobLimits,
    Kill,
    Launch,
    Limits,
    Live,
    ProjectLimits,
    Settle,
    Stop,
    View,
    next_check,
    plan,
)
from scrapy_do.core.transitions import (
    Cancel,
    Claimed,
    Exited,
    Fenced,
    Limit,
    Lost,
    Shutdown,
    Started,
    advance,
)
from tests.factories import PROCESS, START, at, ending, job, request

STARTING = Starting(since=START, attempt=1)
RUNNING = Running(since=START, attempt=1, process=PROCESS)
STOPPING = Stopping(
    since=START,
    started=START,
    attempt=1,
    cause=StopCause.CANCEL,
    reason="cancelled",
    process=PROCESS,
)
UNSEEN = replace(STOPPING, started=None, process=None)
TWO = Limits(slots=2, stop_grace_s=30)


def live(number: int = 1, **fields: object) -> Live:
    plain = Live(job_id=UUID(int=number), attempt=1, process=PROCESS, since=START)
    return replace(plain, **fields)  # type: ignore[arg-type]  # fields of Live


def view(
    *active: Job,
    pending: tuple[Job, ...] = (),
    crawls: tuple[Live, ...] = (),
    launching: tuple[int, ...] = (),
) -> View:
    return View(
        active=active,
        pending=pending,
        live={crawl.job_id: crawl for crawl in crawls},
        launching=frozenset(UUID(int=number) for number in launching),
    )


def of(number: int, project: str = "a", spider: str = "s", **fields: object) -> Job:
    asked = request(project=project, spider=spider, **fields)
    return job(number, request=asked, created_at=at(number))


def launched(actions: tuple[Action, ...]) -> list[int]:
    return [action.job.key.number for action in actions if isinstance(action, Launch)]


def test_idle() -> None:
    """Nothing to do is said as nothing."""
    assert plan(view(), TWO, START) == ()


def test_launch_in_order() -> None:
    """Free slots are filled, oldest first."""
    jobs = (of(3), of(1), of(2))

    assert launched(plan(view(pending=jobs), TWO, START)) == [1, 2]


def test_priority_first() -> None:
    """A higher priority goes first, whatever its age."""
    jobs = (of(1), of(2, priority=4), of(3, priority=0))

    assert launched(plan(view(pending=jobs), Limits(slots=3), START)) == [2, 1, 3]


def test_fair_between_projects() -> None:
    """At equal priority the project with the fewest crawls goes first."""
    jobs = (of(1, "a"), of(2, "a"), of(3, "a"), of(4, "b"))

    assert launched(plan(view(pending=jobs), TWO, START)) == [1, 4]


def test_slots_are_exact() -> None:
    """Every job that was claimed and has not ended holds a slot."""
    busy = [job(1, state=STARTING), job(2, state=STOPPING)]
    facts = view(*busy, pending=(of(3),), crawls=(live(1), live(2, asked_at=START)))

    assert launched(plan(facts, TWO, START)) == []


def test_project_and_spider_slots() -> None:
    """A project or a spider does not get more than its own slots."""
    jobs = (of(1, "a", "x"), of(2, "a", "x"), of(3, "a", "y"), of(4, "a", "y"), of(5, "b", "x"))
    limits = Limits(slots=9, spider_slots=1, projects=({"b": ProjectLimits(slots=1)}))

    assert launched(plan(view(pending=jobs), limits, START)) == [1, 5, 3]


def test_limit_of_a_project_wins() -> None:
    """A project's own number of slots replaces the general one."""
    jobs = (of(1), of(2), of(3))
    limits = Limits(slots=9, project_slots=1, projects=({"a": ProjectLimits(slots=2)}))

    assert launched(plan(view(pending=jobs), limits, START)) == [1, 2]


ATTENDED: list[tuple[str, Job, tuple[Live, ...], tuple[Action, ...]]] = [
    ("a claim without a trace never started", job(state=STARTING), (),
     (Settle(job=job(state=STARTING), event=Fenced()),)),
    ("a running job without a trace is lost", job(state=RUNNING), (),
     (Settle(job=job(state=RUNNING), event=Lost(reason="its records are gone")),)),
    ("a stopping job without a trace is settled", job(state=STOPPING), (),
     (Settle(job=job(state=STOPPING), event=Lost(reason="its records are gone")),)),
    ("a crawl that was found alive is running", job(state=STARTING), (live(),),
     (Settle(job=job(state=STARTING), event=Started(process=PROCESS)),)),
    ("an ending is settled", job(state=RUNNING), (live(ended=Exited(ending=ending())),),
     (Settle(job=job(state=RUNNING), event=Exited(ending=ending())),)),
    ("a wish is passed on", job(state=STOPPING), (live(),), (Stop(job_id=UUID(int=1)),)),
    ("a crawl that was to stop before it was seen is seen first", job(state=UNSEEN), (live(),),
     (Settle(job=job(state=UNSEEN), event=Started(process=PROCESS)),)),
    ("once", job(state=STOPPING), (live(asked_at=at(1)),), ()),
    ("after the grace period the crawl is killed", job(state=STOPPING), (live(asked_at=at(-30)),),
     (Kill(job_id=UUID(int=1)),)),
    ("also once", job(state=STOPPING), (live(asked_at=at(-30), killed=True),), ()),
    ("a running crawl is left alone", job(state=RUNNING), (live(),), ()),
]  # fmt: skip


@pytest.mark.parametrize(("why", "active", "crawls", "expected"), ATTENDED)
def test_attend(
    why: str, active: Job, crawls: tuple[Live, ...], expected: tuple[Action, ...]
) -> None:
    """Each active job gets what it needs."""
    assert expected == plan(view(active, crawls=crawls), TWO, START), why


def test_a_launch_under_way_is_left_alone() -> None:
    """A claimed job whose launch is running is neither lost nor fenced."""
    assert plan(view(job(state=STARTING), launching=(1,)), TWO, START) == ()


def test_a_stop_of_the_daemon_ends_its_crawls() -> None:
    """What runs is interrupted, once; what was not seen running yet is seen running first."""
    jobs = (job(1, state=RUNNING), job(2, state=STOPPING), job(3, state=STARTING))
    crawls = (live(1), live(2, asked_at=START), live(3))

    assert plan(replace(view(*jobs, crawls=crawls), is_stopping=True), TWO, START) == (
        Settle(job=jobs[0], event=Shutdown()),
        Settle(job=jobs[2], event=Started(process=PROCESS)),
    )


def test_strangers_are_ended() -> None:
    """A crawl that no active job owns is killed, once."""
    assert plan(view(crawls=(live(),)), TWO, START) == (Kill(job_id=UUID(int=1)),)
    assert plan(view(crawls=(live(killed=True),)), TWO, START) == ()


@pytest.mark.parametrize(
    ("limits", "crawl", "seconds", "reason"),
    [
        (JobLimits(timeout_s=60), live(), 59, None),
        (JobLimits(timeout_s=60), live(), 60, "job_timeout"),
        (JobLimits(stall_timeout_s=10), live(), 10, "stall_timeout"),
        (JobLimits(stall_timeout_s=10), live(active_at=at(5)), 14, None),
        (JobLimits(stall_timeout_s=10), live(active_at=at(5)), 15, "stall_timeout"),
        (JobLimits(memory_bytes=100), live(memory_bytes=100), 1, None),
        (JobLimits(memory_bytes=100), live(memory_bytes=101), 1, "memory_limit"),
        (JobLimits(memory_bytes=100), live(), 1, None),
        (JobLimits(timeout_s=0), live(), 9999, None),
    ],
)
def test_limits_of_a_crawl(
    limits: JobLimits, crawl: Live, seconds: float, reason: str | None
) -> None:
    """A crawl over a limit of its own is stopped with that reason, and no other is."""
    running = job(state=RUNNING)
    facts = view(running, crawls=(crawl,))
    expected = () if reason is None else (Settle(job=running, event=Limit(reason=reason)),)

    assert expected == plan(facts, Limits(slots=2, job=limits), at(seconds))


@pytest.mark.parametrize(
    ("crawl", "expected"),
    [
        (live(asked_at=START, memory_bytes=200), ()),
        (live(asked_at=START, memory_bytes=201), (Kill(job_id=UUID(int=1)),)),
        (live(asked_at=START, memory_bytes=201, killed=True), ()),
    ],
)
def test_a_runaway_gets_no_grace(crawl: Live, expected: tuple[Action, ...]) -> None:
    """A stopping crawl that holds more than twice its memory limit is killed at once."""
    facts = view(job(state=STOPPING), crawls=(crawl,))

    assert expected == plan(facts, Limits(slots=2, job=JobLimits(memory_bytes=100)), START)


@pytest.mark.parametrize(
    ("state", "crawl", "expected"),
    [
        (STOPPING, live(), (Stop(job_id=UUID(int=1)),)),
        (STOPPING, live(asked_at=START), (Kill(job_id=UUID(int=1)),)),
        (STOPPING, live(asked_at=START, killed=True), ()),
        (RUNNING, live(), ()),
    ],
)
def test_who_is_hurried_gets_no_grace(
    state: State, crawl: Live, expected: tuple[Action, ...]
) -> None:
    """A hurried crawl is asked to stop first, then killed at once, once; never one that runs on."""
    facts = replace(view(job(state=state), crawls=(crawl,)), hurried=frozenset({UUID(int=1)}))

    assert expected == plan(facts, Limits(slots=2), START)


def test_limits_by_job_project_and_default() -> None:
    """The job's limit wins over its project's, and that over the general one."""
    limits = Limits(
        slots=1,
        job=JobLimits(timeout_s=10, stall_timeout_s=10, memory_bytes=10),
        projects={"quotesbot": ProjectLimits(job=JobLimits(timeout_s=20, stall_timeout_s=20))},
    )
    asked = job(request=request(timeout_s=30))

    assert JobLimits(timeout_s=30, stall_timeout_s=20, memory_bytes=10) == limits.of_job(asked)


def test_next_check() -> None:
    """The controller is told when time alone will change the plan."""
    limits = Limits(slots=3, stop_grace_s=30, job=JobLimits(timeout_s=60, stall_timeout_s=45))
    crawls = (live(1, active_at=at(20)), live(2, asked_at=at(10)), live(3))
    facts = view(
        job(1, state=RUNNING), job(2, state=STOPPING), job(3, state=STARTING), crawls=crawls
    )

    assert at(40) == next_check(facts, limits)
    assert next_check(view(job(state=RUNNING)), limits) is None


class World:
    """A machine that does what the plan says, with crawls that end as they like."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.limits = Limits(
            slots=3,
            project_slots=2,
            spider_slots=2,
            stop_grace_s=5,
            job=JobLimits(timeout_s=60),
        )
        self.jobs: dict[UUID, Job] = {}
        self.live: dict[UUID, Live] = {}
        self.stubborn: set[UUID] = set()
        self.launches: Counter[UUID] = Counter()
        self.cancelled: set[UUID] = set()
        self.now = START
        self.clock = 0.0

    def submit(self) -> None:
        number = len(self.jobs) + 1
        asked = request(
            project=self.rng.choice("abc"),
            spider=self.rng.choice("xy"),
            priority=self.rng.randrange(5),
        )
        key = JobKey(project=1, spider=1, number=number)
        self.jobs[UUID(int=number)] = job(
            number, key=key, request=asked, created_at=self.now, state=Pending(since=self.now)
        )

    def cancel(self) -> None:
        active = [made for made in self.jobs.values() if not isinstance(made.state, Finished)]
        if active:
            chosen = self.rng.choice(active)
            self.jobs[chosen.id] = advance(chosen, Cancel(by="walk"), now=self.now)
            self.cancelled.add(chosen.id)

    def end_some(self) -> None:
        for job_id, crawl in list(self.live.items()):
            if crawl.ended is None and self.rng.random() < 0.2:
                status = self.rng.choice([0, 0, 0, 1])
                ended = ending(status=status, ended_at=self.now)
                self.live[job_id] = replace(crawl, ended=Exited(ending=ended))

    def die(self) -> None:
        """Everything dies with the machine; what ran is lost."""
        self.live = {
            job_id: replace(crawl, ended=Lost(reason="the machine was restarted"))
            for job_id, crawl in self.live.items()
        }

    def shut_down(self) -> None:
        """Every crawl is interrupted in order and everything settled."""
        for made in list(self.jobs.values()):
            if isinstance(made.state, Starting | Running | Stopping):
                self.jobs[made.id] = advance(made, Shutdown(), now=self.now)
                crawl = self.live.get(made.id)
                if crawl is not None and crawl.ended is None:
                    ended = Exited(ending=ending(close_reason="shutdown", ended_at=self.now))
                    self.live[made.id] = replace(crawl, ended=ended)
        self.act(launch=False)

    def facts(self) -> View:
        active = [
            made
            for made in self.jobs.values()
            if isinstance(made.state, Starting | Running | Stopping)
        ]
        pending = [made for made in self.jobs.values() if isinstance(made.state, Pending)]
        return View(active=tuple(active), pending=tuple(pending), live=dict(self.live))

    def act(self, *, launch: bool = True) -> None:
        for action in plan(self.facts(), self.limits, self.now):
            match action:
                case Launch(job=chosen) if launch:
                    self.jobs[chosen.id] = advance(self.jobs[chosen.id], Claimed(), now=self.now)
                    self.launches[chosen.id] += 1
                    self.live[chosen.id] = live(chosen.key.number)
                    if self.rng.random() < 0.3:
                        self.stubborn.add(chosen.id)
                case Settle(job=settled, event=event):
                    self.jobs[settled.id] = advance(self.jobs[settled.id], event, now=self.now)
                    if not isinstance(event, Started | Limit):
                        del self.live[settled.id]
                case Stop(job_id=job_id):
                    crawl = replace(self.live[job_id], asked_at=self.now)
                    if job_id not in self.stubborn:
                        shut = ending(close_reason="shutdown", ended_at=self.now)
                        crawl = replace(crawl, ended=Exited(ending=shut))
                    self.live[job_id] = crawl
                case Kill(job_id=job_id):
                    killed = Exited(ending=ending(signal=9, ended_at=self.now))
                    self.live[job_id] = replace(self.live[job_id], killed=True, ended=killed)
        self.check()

    def check(self) -> None:
        running = [
            made
            for made in self.jobs.values()
            if isinstance(made.state, Starting | Running | Stopping)
        ]
        assert len(running) <= self.limits.slots
        projects = Counter(made.request.project for made in running)
        assert all(used <= 2 for used in projects.values())

    def step(self) -> None:
        self.clock += 1
        self.now = at(self.clock)
        self.rng.choice(
            [self.submit, self.submit, self.cancel, self.end_some, self.end_some, self.end_some]
        )()
        if self.rng.random() < 0.01:
            self.rng.choice([self.die, self.shut_down])()
        self.act()

    def drain(self) -> None:
        deadline = self.clock + 10_000
        while any(not isinstance(made.state, Finished) for made in self.jobs.values()):
            assert self.clock < deadline, "some job never ends"
            self.clock += 1
            self.now = at(self.clock)
            self.end_some()
            self.act()


@pytest.mark.parametrize("seed", range(40))
def test_random_walk(seed: int) -> None:
    """Whatever happens, slots are never exceeded, every job ends, every cancel is kept."""
    world = World(seed)
    for _ in range(150):
        world.step()

    world.drain()

    for made in world.jobs.values():
        assert isinstance(made.state, Finished)
        if made.id in world.cancelled:
            assert made.state.outcome is Outcome.CANCELED
    assert world.live == {}
