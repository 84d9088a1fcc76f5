"""What somebody should look at: each with its reason in words and one thing to do."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from scrapy_do.core.anomalies import Anomaly, Measures, anomalies
from scrapy_do.core.filter import JobFilter
from scrapy_do.core.job import Outcome
from scrapy_do.core.run_history import RecentRun, Run, run_of
from scrapy_do.core.schedule import Schedule, ScheduleEventKind, ScheduleState
from scrapy_do.errors import ScheduleNotFound
from scrapy_do.operations.operations import Operations
from scrapy_do.ui.outcomes import why
from scrapy_do.ui.pages.likeness import runs_like
from scrapy_do.ui.words import StateWord, number

MOST = 20
_BAD = frozenset({Outcome.FAILED, Outcome.LOST})
_STALLED = "stall_timeout"

FAILED = StateWord(glyph="✗", word="failed", kind="bad")
LOST = StateWord(glyph="?", word="lost", kind="bad")
STALLED = StateWord(glyph="◼", word="stalled", kind="bad")
FEW = StateWord(glyph="↓", word="few items", kind="waiting")
NONE = StateWord(glyph="0", word="no items", kind="bad")
MISSED = StateWord(glyph="!", word="missed", kind="waiting")
ERROR = StateWord(glyph="✗", word="schedule in error", kind="bad")
TROUBLE = StateWord(glyph="!", word="server", kind="bad")

RunsOf = Mapping[tuple[int, int], Sequence[Run]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """One line: what is wrong, of what, why, and what to do ("" for nothing).

    `is_change` says that the action is done by a button; otherwise it is a link.
    """

    word: StateWord
    name: str
    address: str
    text: str
    at: datetime | None = None
    action: str = ""
    action_address: str = ""
    is_change: bool = False


async def attention(
    operations: Operations,
    recent: Sequence[RecentRun],
    runs: RunsOf,
    *,
    since: datetime,
) -> Sequence[Attention]:
    """Gather what is wrong, the worst first."""
    found = [
        *await _troubles(operations),
        *await _schedules_in_error(operations),
        *_failures(recent),
        *await _few_items(operations, recent, runs),
        *await _missed(operations, since),
    ]
    return found[:MOST]


async def _troubles(operations: Operations) -> list[Attention]:
    """What is wrong with the server itself, but for what every page says."""
    said = [f"{name}: {text}" for name, text in (await operations.status.problems()).items()]
    return [
        Attention(word=TROUBLE, name="This server", address="/ui/system", text=text)
        for text in said
    ]


async def _schedules_in_error(operations: Operations) -> list[Attention]:
    wanted = JobFilter(limit=MOST)
    page = await operations.listing.schedules(wanted, frozenset({ScheduleState.ERROR}))
    return [
        Attention(
            word=ERROR,
            name=schedule.request.spider,
            address=f"/ui/schedules/{schedule.id}",
            text=schedule.error,
            at=schedule.changed_at,
            action="Open the schedule",
            action_address=f"/ui/schedules/{schedule.id}",
        )
        for schedule in page.rows
    ]


def _failures(recent: Iterable[RecentRun]) -> Iterator[Attention]:
    """Failed, stalled and lost runs, those of one spider and kind together."""
    groups: dict[tuple[str, str, str], list[RecentRun]] = {}
    for one in recent:
        if one.outcome_name in _BAD:
            word = _word_of(one).word
            groups.setdefault((one.project, one.spider, word), []).append(one)
    for group in groups.values():
        newest = group[0]
        is_lost = newest.outcome is Outcome.LOST
        address = f"/ui/jobs/{newest.job_id}"
        times = f"{number(len(group))} times in a day, last: " if len(group) > 1 else ""
        yield Attention(
            word=_word_of(newest),
            name=newest.spider,
            address=address,
            text=f"{times}{why(newest.outcome, newest.reason or '').sentence.rstrip('.')}",
            at=newest.ended,
            action="Run again" if is_lost else "Look at its log",
            action_address=f"{address}/again" if is_lost else address,
            is_change=is_lost,
        )


def _word_of(one: RecentRun) -> StateWord:
    if one.outcome is Outcome.LOST:
        return LOST
    return STALLED if one.reason == _STALLED else FAILED


async def _few_items(
    operations: Operations, recent: Iterable[RecentRun], runs: RunsOf
) -> list[Attention]:
    """The last run of a spider, where it has far fewer items than those like it before.

    Those with the same arguments are read only where it has fewer than those with any.
    """
    last: dict[tuple[int, int], RecentRun] = {}
    for one in recent:
        if one.outcome_name == Outcome.SUCCESSFUL:
            last.setdefault(one.spider_key, one)
    low = [
        one
        for spider, one in last.items()
        if _few(one.run, [run for run in runs.get(spider, ()) if run.ended < one.ended])
    ]
    found = []
    for one in low[:MOST]:
        if not await operations.projects.is_compared(one.key):
            continue
        job = await operations.jobs.get(one.job_id)
        like = [run_of(other) for other in await runs_like(operations, job) if other.key < job.key]
        few = _few(one.run, [run for run in like if run is not None])
        if few is not None:
            found.append(_few_said(one, few))
    return found


def _few(run: Run, before: Iterable[Run]) -> Anomaly | None:
    """What is unlike the successful runs before in the number of items."""
    like = [_measures(one) for one in before if one.outcome is Outcome.SUCCESSFUL]
    found = anomalies(_measures(run), like)
    return next((anomaly for anomaly in found if anomaly.what == "items"), None)


def _few_said(one: RecentRun, few: Anomaly) -> Attention:
    address = f"/ui/jobs/{one.job_id}"
    return Attention(
        word=FEW if one.items else NONE,
        name=one.spider,
        address=address,
        text=(
            f"{number(one.items)} items; the {few.runs} runs before had "
            f"{number(round(few.low))} to {number(round(few.high))} "
            f"(median {number(round(few.usual))})"
        ),
        at=one.ended,
        action="Look at the run",
        action_address=address,
    )


def _measures(run: Run) -> Measures:
    took = timedelta(0) if run.duration is None else run.duration
    return Measures(items=run.items, duration_s=took.total_seconds(), errors=run.errors)


async def _missed(operations: Operations, since: datetime) -> list[Attention]:
    """Schedules that have missed runs."""
    found = []
    counts = await operations.schedules.events_since(since, [ScheduleEventKind.MISSED])
    for identifier, count in list(counts.items())[:MOST]:
        schedule = await _standing(operations, identifier)
        if schedule is None:
            continue
        found.append(
            Attention(
                word=MISSED,
                name=schedule.request.spider,
                address=f"/ui/schedules/{identifier}#history",
                text=f"{number(count)} {'run' if count == 1 else 'runs'} missed in a day",
                action="Run now",
                action_address=f"/ui/schedules/{identifier}/run",
                is_change=True,
            )
        )
    return found


async def _standing(operations: Operations, identifier: UUID) -> Schedule | None:
    """A schedule, if it still stands."""
    try:
        schedule = await operations.schedules.get(identifier)
    except ScheduleNotFound:
        return None
    over = (ScheduleState.CANCELED, ScheduleState.FINISHED)
    return None if schedule.state in over else schedule


RECENT = timedelta(days=1)
