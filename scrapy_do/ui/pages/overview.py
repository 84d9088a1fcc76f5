"""The overview: what runs now, what is wrong, what comes next, what the last day was like."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from scrapy_do.core.filter import ACTIVE_STATES, JobFilter, StateName
from scrapy_do.core.instants import ms_of
from scrapy_do.core.job import Job, Outcome, started_at
from scrapy_do.core.run_history import RecentRun, Run
from scrapy_do.core.schedule import Schedule, sentence_of
from scrapy_do.operations.operations import Operations, Status
from scrapy_do.ui.charts import KINDS
from scrapy_do.ui.pages.attention import RECENT, Attention, attention
from scrapy_do.ui.render import PageView

MOST_RUNNING = 50
MOST_RECENT = 1000
LANES = 12
NEXT = 10
RUNS = 20
MINUTES = 24 * 60
_FEWEST_RUNS = 3
_MINUTE_MS = 60_000
_KIND_OF = {outcome.value: kind for outcome, kind in KINDS.items()}
_SHORTEST_MINUTES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Going:
    """A job that runs: for how long, and where it is in what such runs take (in per cent)."""

    job: Job
    started: datetime | None
    elapsed: timedelta | None
    percent: int | None
    left: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """The runs of one spider in a day, as paths by their kind; `label` says them in words."""

    project: str
    spider: str
    paths: Mapping[str, str]
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """A schedule that starts soon."""

    schedule: Schedule
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OverviewPage:
    """What the page shows."""

    status: Status
    running: Sequence[Going]
    attention: Sequence[Attention]
    next_runs: Sequence[Next]
    lanes: Sequence[Lane]
    more_lanes: int
    is_new: bool
    example: str


async def overview(operations: Operations, *, now: datetime) -> PageView:
    """Gather the page."""
    status = await operations.status.status()
    jobs = operations.jobs
    running = await jobs.find(
        JobFilter(states=ACTIVE_STATES - {StateName.PENDING}, limit=MOST_RUNNING)
    )
    recent = await jobs.recent_runs(now - RECENT, limit=MOST_RECENT)
    spiders = dict.fromkeys([*map(_spider, running), *(one.spider_key for one in recent)])
    runs = await jobs.runs_of(list(spiders)[: MOST_RUNNING + LANES], limit=RUNS)
    lanes = _lanes(recent, running, now)
    first = next((one for one in await operations.projects.all() if one.current), None)
    return PageView(
        template="overview.html",
        title="Overview",
        room="overview",
        live=("jobs", "status"),
        view=OverviewPage(
            status=status,
            running=[_going(job, runs.get(_spider(job), ()), now) for job in running],
            attention=await attention(operations, recent, runs, since=now - RECENT),
            next_runs=[
                Next(schedule=one, sentence=sentence_of(one))
                for one in await operations.schedules.next_to_run(limit=NEXT)
            ],
            lanes=lanes[:LANES],
            more_lanes=max(0, len(lanes) - LANES),
            is_new=not status.projects or not (running or status.jobs_run or status.pending),
            example="" if first is None else first.name,
        ),
    )


def _spider(job: Job) -> tuple[int, int]:
    return job.key.project, job.key.spider


def _going(job: Job, runs: Iterable[Run], now: datetime) -> Going:
    """Say where a run is, going by the median of the runs before."""
    took = [
        run.duration.total_seconds()
        for run in runs
        if run.duration is not None and run.outcome is Outcome.SUCCESSFUL
    ]
    started = started_at(job.state)
    if started is None:
        return Going(job=job, started=None, elapsed=None, percent=None, left=None)
    elapsed = max(now - started, timedelta(0))
    usual = median(took) if len(took) >= _FEWEST_RUNS else 0.0
    if usual <= 0:
        return Going(job=job, started=started, elapsed=elapsed, percent=None, left=None)
    left = usual - elapsed.total_seconds()
    return Going(
        job=job,
        started=started,
        elapsed=elapsed,
        percent=min(99, round(100 * elapsed.total_seconds() / usual)),
        left=timedelta(seconds=left) if left > 0 else None,
    )


_Block = tuple[str, int, int]
"""A run in a lane: its kind, the minute in which it begins, how many it takes."""


def _lanes(recent: Iterable[RecentRun], running: Iterable[Job], now: datetime) -> Sequence[Lane]:
    """The runs of a day, a lane for each spider, what ended last on top."""
    now_ms = ms_of(now)
    blocks: dict[tuple[str, str], list[_Block]] = {}
    for job in running:
        name = (job.request.project, job.request.spider)
        started_ms = ms_of(started_at(job.state) or now)
        blocks.setdefault(name, []).append(_block("run", started_ms, now_ms, now_ms))
    for one in recent:
        started_ms = one.ended_ms if one.started_ms is None else one.started_ms
        block = _block(_KIND_OF[one.outcome_name], started_ms, one.ended_ms, now_ms)
        blocks.setdefault((one.project, one.spider), []).append(block)
    return [
        Lane(project=project, spider=spider, paths=_paths(some), label=_label(some))
        for (project, spider), some in blocks.items()
    ]


def _block(kind: str, start_ms: int, end_ms: int, now_ms: int) -> _Block:
    start = max(0, MINUTES - (now_ms - start_ms) // _MINUTE_MS)
    end = max(0, MINUTES - (now_ms - end_ms) // _MINUTE_MS)
    width = max(_SHORTEST_MINUTES, end - start)
    return kind, max(0, min(start, MINUTES - width)), width


def _paths(blocks: Iterable[_Block]) -> Mapping[str, str]:
    """Draw blocks, those of a kind together, what lies on one another once; bad ones are flat."""
    paths: dict[str, str] = {}
    for kind, x, width in dict.fromkeys(blocks):
        y, height = (8, 10) if kind == "bad" else (3, 15)
        paths[kind] = f"{paths.get(kind, '')}M{x} {y}h{width}v{height}h-{width}z"
    return paths


def _label(blocks: Iterable[_Block]) -> str:
    words = {"good": "successful", "bad": "failed", "ended": "cancelled", "run": "running"}
    counts = Counter(kind for kind, _, _ in blocks)
    return ", ".join(f"{counts[kind]} {words[kind]}" for kind in words if counts[kind])
