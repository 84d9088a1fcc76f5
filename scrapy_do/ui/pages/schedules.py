"""The list of schedules: what runs when, how it has gone, what is wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from scrapy_do.core.filter import JobFilter
from scrapy_do.core.job import Job
from scrapy_do.core.run_history import Run
from scrapy_do.core.schedule import (
    STANDING,
    Schedule,
    ScheduleEventKind,
    ScheduleState,
    sentence_of,
)
from scrapy_do.operations.operations import Operations
from scrapy_do.operations.schedules import Outlook
from scrapy_do.ui.pages.jobs import Question
from scrapy_do.ui.render import PageView
from scrapy_do.ui.words import StateWord, iso, state

ROWS = 50
MOST_ROWS = 1000
RUNS = 20
LATE = timedelta(seconds=60)
RECENT = timedelta(days=1)

CHIPS: Mapping[str, tuple[str, frozenset[ScheduleState]]] = {
    "": ("All that stand", STANDING),
    "active": ("On", frozenset({ScheduleState.ACTIVE})),
    "paused": ("Paused", frozenset({ScheduleState.PAUSED})),
    "error": ("In error", frozenset({ScheduleState.ERROR})),
    "over": ("Over", frozenset({ScheduleState.FINISHED, ScheduleState.CANCELED})),
}
_WORDS = {
    ScheduleState.ACTIVE: StateWord(glyph="●", word="on", kind="good"),
    ScheduleState.PAUSED: StateWord(glyph="‖", word="paused", kind="waiting"),
    ScheduleState.ERROR: StateWord(glyph="✗", word="error", kind="bad"),
    ScheduleState.FINISHED: StateWord(glyph="✓", word="finished", kind="ended"),
    ScheduleState.CANCELED: StateWord(glyph="⊘", word="deleted", kind="ended"),
}
_LATE = StateWord(glyph="!", word="late", kind="bad")
_MISSED = StateWord(glyph="!", word="missed", kind="bad")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One schedule as a row. `words` are its states; `recent` counts runs missed in a day."""

    schedule: Schedule
    sentence: str
    words: Sequence[StateWord]
    recent: int
    last_job: Job | None
    runs: Sequence[Run]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """One choice of states."""

    label: str
    address: str
    count: int
    is_current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulesPage:
    """What the page shows."""

    rows: Sequence[Row]
    chips: Sequence[Chip]
    total: int
    project: str
    query: str
    older: str
    is_new: bool
    said: str


def words_of(schedule: Schedule, *, now: datetime, recent: int = 0) -> Sequence[StateWord]:
    """The states of a schedule: its own, then what is wrong with it."""
    due = schedule.next_due
    if due is not None and due < now - LATE:
        return (_WORDS[schedule.state], _LATE)
    return (_WORDS[schedule.state], *((_MISSED,) if recent else ()))


def standing_words(schedule: Schedule, *, is_made: bool = False) -> str:
    """What holds of a schedule now, for somebody who has just changed it."""
    name = f"The schedule of {schedule.request.spider}"
    match schedule.state:
        case ScheduleState.ACTIVE:
            verb = "is made" if is_made else "is on"
            return f"{name} {verb}: {sentence_of(schedule)}."
        case ScheduleState.PAUSED:
            return f"{name} is paused: it makes no jobs until it is switched on."
        case ScheduleState.CANCELED:
            return f"{name} is deleted. Its {schedule.counts.fired} jobs stay."
        case _:
            return f"{name} is {_WORDS[schedule.state].word}."


def address(state: str = "", project: str = "", **more: str) -> str:
    """The address of the list."""
    said = {"state": state, "project": project, **more}
    query = urlencode({name: value for name, value in said.items() if value})
    return f"/ui/schedules?{query}" if query else "/ui/schedules"


async def schedules(
    operations: Operations,
    *,
    state_word: str,
    project: str,
    after: int | None,
    now: datetime,
    said: str = "",
) -> PageView:
    """Gather the page."""
    wanted = JobFilter(project=project or None, after=after, limit=ROWS)
    found = await operations.listing.schedules(wanted, CHIPS[state_word][1])
    outlooks = await operations.schedules.outlooks(found.rows)
    known = await operations.listing.schedule_counts(wanted)
    counts = {word: sum(known[one] for one in states) for word, (_, states) in CHIPS.items()}
    chips = [
        Chip(
            label=label,
            address=address(word, project),
            count=counts[word],
            is_current=word == state_word,
        )
        for word, (label, _) in CHIPS.items()
    ]
    more = "" if found.next_after is None else str(found.next_after)
    return PageView(
        template="schedules.html",
        title="Schedules",
        room="schedules",
        live=("schedules",),
        view=SchedulesPage(
            rows=await rows_of(operations, outlooks, now=now),
            chips=chips,
            total=counts[state_word],
            project=project,
            query=address(state_word, project).partition("?")[2],
            older=address(state_word, project, after=more) if more else "",
            is_new=not (counts[""] or counts["over"]),
            said=said,
        ),
    )


async def rows_of(
    operations: Operations, outlooks: Sequence[Outlook], *, now: datetime
) -> Sequence[Row]:
    """What the rows of some schedules show."""
    found = [outlook.schedule for outlook in outlooks]
    runs = await operations.schedules.runs(found, limit=RUNS)
    recent = await operations.schedules.events_since(now - RECENT, [ScheduleEventKind.MISSED])
    return [
        Row(
            schedule=outlook.schedule,
            sentence=sentence_of(outlook.schedule),
            words=words_of(outlook.schedule, now=now, recent=recent.get(outlook.schedule.id, 0)),
            recent=recent.get(outlook.schedule.id, 0),
            last_job=outlook.last_job,
            runs=runs.get(outlook.schedule.id, ()),
        )
        for outlook in outlooks
    ]


COLUMNS = (
    *("id", "project", "spider", "schedule", "sentence", "timezone", "state", "next_run"),
    *("last_job", "last_outcome", "fired", "missed", "skipped", "overlap", "catchup"),
    *("jitter", "until", "max_runs", "note", "error", "created", "created_by"),
)


Twin = tuple[Sequence[Mapping[str, Any]], int | None]


async def twin(operations: Operations, *, state_word: str, project: str, after: int | None) -> Twin:
    """The rows of the twins, and where the next page begins."""
    wanted = JobFilter(project=project or None, after=after, limit=MOST_ROWS)
    found = await operations.listing.schedules(wanted, CHIPS[state_word][1])
    outlooks = await operations.schedules.outlooks(found.rows)
    return [_cells(one) for one in outlooks], found.next_after


def _cells(outlook: Outlook) -> Mapping[str, Any]:
    schedule, last = outlook.schedule, outlook.last_job
    policies, counts = schedule.policies, schedule.counts
    return {
        "id": str(schedule.id),
        "project": schedule.request.project,
        "spider": schedule.request.spider,
        "schedule": schedule.timing.spec,
        "sentence": sentence_of(schedule),
        "timezone": schedule.timing.zone_name,
        "state": schedule.state.value,
        "next_run": _maybe(schedule.next_due),
        "last_job": None if last is None else str(last.id),
        "last_outcome": None if last is None else state(last).word,
        "fired": counts.fired,
        "missed": counts.missed,
        "skipped": counts.skipped,
        "overlap": policies.overlap.value,
        "catchup": policies.catchup.value,
        "jitter": policies.jitter_s,
        "until": _maybe(policies.until),
        "max_runs": policies.max_runs,
        "note": schedule.note,
        "error": schedule.error,
        "created": iso(schedule.created_at),
        "created_by": schedule.created_by,
    }


def _maybe(instant: datetime | None) -> str | None:
    return None if instant is None else iso(instant)


async def delete_question(operations: Operations, schedule_id: UUID) -> PageView:
    """Ask before a schedule is deleted."""
    schedule = await operations.schedules.get(schedule_id)
    spider, sentence = schedule.request.spider, sentence_of(schedule)
    return PageView(
        template="question.html",
        title="Delete a schedule",
        room="schedules",
        view=Question(
            title=f"Delete the schedule of {spider}?",
            sentence=(
                f"“{sentence}” will run no more, and cannot be switched on again. "
                f"Its {schedule.counts.fired} jobs stay, and what is running goes on."
            ),
            action=f"/ui/schedules/{schedule_id}/delete",
            fields=(),
            is_bad=True,
            button="Delete the schedule",
            count=1,
            back=f"/ui/schedules/{schedule_id}",
        ),
    )
