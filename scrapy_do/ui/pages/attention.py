"""What somebody should look at: each with its reason in words and one thing to do."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from uuid import UUID

from scrapy_do.core.filter import JobFilter
from scrapy_do.core.job import Outcome
from scrapy_do.core.run_history import RecentRun, Run
from scrapy_do.core.schedule import Schedule, ScheduleEventKind, ScheduleState
from scrapy_do.errors import ScheduleNotFound
from scrapy_do.operations.operations import Operations, Status
from scrapy_do.ui.words import StateWord, duration, number, size

MOST = 20
_LAG_S = 60.0
_LITTLE_SHARE = 0.05
_FEWEST_RUNS = 5
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
    status: Status,
    recent: Sequence[RecentRun],
    runs: RunsOf,
    *,
    since: datetime,
) -> Sequence[Attention]:
    """Gather what is wrong, the worst first."""
    found = [
        *await _troubles(operations, status),
        *await _schedules_in_error(operations),
        *_failures(recent),
        *_few_items(recent, runs),
        *await _missed(operations, since),
    ]
    return found[:MOST]


async def _troubles(operations: Operations, status: Status) -> list[Attention]:
    """What is wrong with the server itself."""
    said = [f"{name}: {text}" for name, text in (await operations.status.problems()).items()]
    if status.scheduler_lag_s > _LAG_S:
        said.append(f"Schedules start {duration(status.scheduler_lag_s)} late.")
    room = status.room
    if room.disk_free_bytes < _LITTLE_SHARE * room.disk_bytes:
        said.append(f"Only {size(room.disk_free_bytes)} are left on the disk.")
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
        if one.run.outcome in (Outcome.FAILED, Outcome.LOST):
            word = _word_of(one).word
            groups.setdefault((one.project, one.spider, word), []).append(one)
    for group in groups.values():
        newest = group[0]
        is_lost = newest.run.outcome is Outcome.LOST
        address = f"/ui/jobs/{newest.run.job_id}"
        times = f"{number(len(group))} times in a day, last: " if len(group) > 1 else ""
        yield Attention(
            word=_word_of(newest),
            name=newest.spider,
            address=address,
            text=f"{times}{newest.reason or 'no reason is known'}",
            at=newest.run.ended,
            action="Run again" if is_lost else "Look at its log",
            action_address=f"{address}/again" if is_lost else address,
            is_change=is_lost,
        )


def _word_of(one: RecentRun) -> StateWord:
    if one.run.outcome is Outcome.LOST:
        return LOST
    return STALLED if one.reason == _STALLED else FAILED


def _few_items(recent: Iterable[RecentRun], runs: RunsOf) -> Iterator[Attention]:
    """The last run of a spider, where it has far fewer items than those before it."""
    seen: set[tuple[int, int]] = set()
    for one in recent:
        spider = (one.key.project, one.key.spider)
        if spider in seen or one.run.outcome is not Outcome.SUCCESSFUL:
            continue
        seen.add(spider)
        before = [
            run.items
            for run in runs.get(spider, ())
            if run.outcome is Outcome.SUCCESSFUL and run.job_id != one.run.job_id
        ]
        if not _looks_low(one.run.items, before):
            continue
        usual = median(before)
        yield Attention(
            word=FEW if one.run.items else NONE,
            name=one.spider,
            address=f"/ui/jobs/{one.run.job_id}",
            text=(
                f"{number(one.run.items)} items; the {len(before)} runs before had "
                f"{number(min(before))} to {number(max(before))} (median {number(round(usual))})"
            ),
            at=one.run.ended,
            action="Look at the run",
            action_address=f"/ui/jobs/{one.run.job_id}",
        )


def _looks_low(items: int, before: Sequence[int]) -> bool:
    """Whether a number of items is unlike those before: the rule of the hint on a job's page."""
    if len(before) < _FEWEST_RUNS:
        return False
    usual = median(before)
    spread = max(1.4826 * median(abs(one - usual) for one in before), 0.05 * usual)
    return (items == 0 and usual > 0) or (items < usual - 3 * spread and items < 0.8 * usual)


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
