"""The list of jobs: searched, counted by state, page by page; and what is done to all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from scrapy_do.core.filter import ACTIVE_STATES, VISIBLE_STATES, JobFilter, StateName
from scrapy_do.core.job import Finished, Job, Pending, Stopping, started_at
from scrapy_do.core.job_search import EXAMPLE, STATES, Search, search_jobs
from scrapy_do.core.run_history import Run
from scrapy_do.errors import BadSearch
from scrapy_do.operations.listing import Page as Listed
from scrapy_do.operations.operations import Operations
from scrapy_do.ui import words
from scrapy_do.ui.render import PageView

ROWS = 50
MOST_ROWS = 1000
RUNS = 20
_SHOWN_ARGUMENTS = 80

CHIPS: Mapping[str, str] = {
    "": "All",
    "queued": "Queued",
    "running": "Running",
    "successful": "Successful",
    "failed": "Failed",
    "cancelled": "Cancelled",
}

COLUMNS = (
    *("id", "key", "state", "project", "spider", "version", "arguments", "tags", "created"),
    *("started", "ended", "duration", "items", "responses", "errors", "reason"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """A state with the number of jobs in it."""

    label: str
    count: int
    address: str
    is_current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A job of the list, with the last runs of its spider."""

    job: Job
    arguments: str
    started: datetime | None
    duration: float | None
    runs: Sequence[Run]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsPage:
    """What the page shows. `upto` is the newest job that is there, for what is done to all."""

    text: str
    query: str
    chips: Sequence[Chip]
    rows: Sequence[Row]
    total: int
    newer: str
    older: str
    arrived: int
    upto: int
    active: int
    ended: int
    said: str
    example: str = EXAMPLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Misunderstood:
    """A search that means nothing: its text in three parts, the wrong one in the middle."""

    text: str
    before: str
    wrong: str
    behind: str
    problem: str
    example: str = EXAMPLE


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPlace:
    """Which page of the list: behind a job, before one, or the first. `top` was newest then."""

    after: int | None = None
    newer_than: int | None = None
    top: int | None = None


def misunderstood(error: BadSearch) -> PageView:
    """Show which part of a search means nothing."""
    return PageView(
        template="jobs_search.html",
        title="Jobs",
        room="jobs",
        status=400,
        view=Misunderstood(
            text=error.text,
            before=error.text[: error.begin],
            wrong=error.text[error.begin : error.end],
            behind=error.text[error.end :],
            problem=error.problem,
        ),
    )


async def jobs(
    operations: Operations, text: str, place: ListPlace, *, now: datetime, said: str = ""
) -> PageView:
    """Gather the page.

    Raises:
        BadSearch: the search means nothing.
    """
    search = search_jobs(text, now=now)
    wanted = replace(search.wanted, limit=ROWS, after=place.after, newer_than=place.newer_than)
    listed = await operations.listing.jobs(wanted)
    if place.newer_than is not None and listed.next_after is None:  # these are the newest
        place = ListPlace()
        listed = await operations.listing.jobs(replace(wanted, newer_than=None))
    return PageView(
        template="jobs.html",
        title="Jobs",
        room="jobs",
        live=("jobs",),
        view=await _view(operations, search, listed, place, now=now, said=said),
    )


async def _view(
    operations: Operations,
    search: Search,
    listed: Listed[Job],
    place: ListPlace,
    *,
    now: datetime,
    said: str,
) -> JobsPage:
    is_first = place.after is None and place.newer_than is None
    rows = listed.rows
    upto = rows[0].sequence if rows else 0
    top = upto if is_first or place.top is None else place.top
    runs = await operations.jobs.runs(rows, limit=RUNS)
    counts = await _counts(operations, search, None if is_first else top)
    older = ""
    if rows and (listed.next_after is not None or place.newer_than is not None):
        older = address(search.text, after=rows[-1].sequence, top=top)
    return JobsPage(
        text=search.text,
        query=urlencode({"q": search.text}),
        chips=counts.chips,
        rows=[_row(job, runs, now) for job in rows],
        total=counts.total,
        newer="" if is_first or not rows else address(search.text, newer=upto, top=top),
        older=older,
        arrived=counts.arrived,
        upto=max(upto, top),
        active=counts.active,
        ended=counts.ended,
        said=said,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counts:
    """How many jobs there are: of the search, of those that came since, and of each chip."""

    total: int
    arrived: int
    active: int
    ended: int
    chips: Sequence[Chip]


async def _counts(operations: Operations, search: Search, top: int | None) -> _Counts:
    """Count all of it at one moment; `top` was the newest job when somebody began to turn pages."""
    wanted = search.wanted
    newer = replace(wanted, states=frozenset()) if top is None else replace(wanted, newer_than=top)
    filters = [
        wanted,
        newer,
        replace(wanted, states=wanted.states & ACTIVE_STATES),
        replace(wanted, states=wanted.states & {StateName.FINISHED}),
    ]
    for word in CHIPS:
        state = STATES[word] if word else JobFilter()
        filters.append(replace(wanted, states=state.states, outcomes=state.outcomes))
    distinct = [one for one in dict.fromkeys(filters) if one.states]
    known = dict(zip(distinct, await operations.jobs.counts(distinct), strict=True))
    total, arrived, active, ended, *chips = (known.get(one, 0) for one in filters)
    return _Counts(
        total=total,
        arrived=arrived,
        active=active,
        ended=ended,
        chips=[
            Chip(
                label=label,
                count=count,
                address=address(search.with_state(word)),
                is_current=search.state == word,
            )
            for (word, label), count in zip(CHIPS.items(), chips, strict=True)
        ],
    )


def address(text: str, **place: int) -> str:
    """The address of a page of a search."""
    query = {**({"q": text} if text else {}), **place}
    return f"/ui/jobs?{urlencode(query)}" if query else "/ui/jobs"


def _row(job: Job, runs: Mapping[tuple[int, int], Sequence[Run]], now: datetime) -> Row:
    return Row(
        job=job,
        arguments=arguments_text(job),
        started=started_at(job.state),
        duration=duration_of(job, now),
        runs=runs[job.key.project, job.key.spider],
    )


def arguments_text(job: Job) -> str:
    """The arguments of a job in one short line."""
    text = " ".join(f"{name}={value}" for name, value in job.request.arguments.items())
    return text if len(text) <= _SHOWN_ARGUMENTS else text[:_SHOWN_ARGUMENTS] + "…"


def duration_of(job: Job, now: datetime) -> float | None:
    """How many seconds a crawl has taken, or takes so far."""
    started = started_at(job.state)
    if started is None:
        return None
    end = job.state.since if isinstance(job.state, Finished) else now
    return max(0.0, (end - started).total_seconds())


# --- twins -------------------------------------------------------------------------------------


async def rows(
    operations: Operations, text: str, place: ListPlace, *, limit: int, now: datetime
) -> tuple[Search, list[dict[str, Any]], int | None]:
    """The jobs of a page as plain values, and where the next page begins.

    Raises:
        BadSearch: the search means nothing.
    """
    search = search_jobs(text, now=now)
    wanted = replace(search.wanted, limit=limit, after=place.after, newer_than=place.newer_than)
    listed = await operations.listing.jobs(wanted)
    return search, [plain(job, now) for job in listed.rows], listed.next_after


def plain(job: Job, now: datetime) -> dict[str, Any]:
    """A job as a row of a table of values; durations in seconds."""
    request, state = job.request, job.state
    ended = state.since if isinstance(state, Finished) else None
    started = started_at(job.state)
    return {
        "id": str(job.id),
        "key": str(job.key),
        "state": words.state(job).word,
        "project": request.project,
        "spider": request.spider,
        "version": request.version,
        "arguments": dict(request.arguments),
        "tags": list(request.tags),
        "created": words.iso(job.created_at),
        "started": None if started is None else words.iso(started),
        "ended": None if ended is None else words.iso(ended),
        "duration": duration_of(job, now),
        "items": job.progress.items,
        "responses": job.progress.responses,
        "errors": job.progress.errors,
        "reason": state.reason if isinstance(state, Finished) else None,
    }


# --- what is done to all jobs of a search ------------------------------------------------------

BULK: Mapping[str, tuple[str, frozenset[StateName]]] = {
    "cancel": ("Cancel", ACTIVE_STATES),
    "again": ("Run again", frozenset({StateName.FINISHED})),
    "delete": ("Delete", frozenset({StateName.FINISHED})),
}
_LOST = {
    "cancel": "Crawls that run are stopped; what they have found so far is kept. "
    "Queued jobs will not run.",
    "again": "Each is ordered once more, with the same arguments, for the version of its "
    "project that is current now.",
    "delete": "Their logs, items, requests and kept files go with them. "
    "Nothing of it can be brought back.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked before something is done that cannot be undone."""

    title: str
    sentence: str
    action: str
    fields: Sequence[tuple[str, str]]
    button: str
    back: str
    is_bad: bool
    count: int


async def bulk_question(
    operations: Operations,
    text: str,
    action: str,
    upto: int | None,
    *,
    selected: tuple[UUID, ...] | None = None,
    now: datetime,
) -> PageView:
    """Ask before something is done to all jobs of a search, or to those that were selected.

    Raises:
        BadSearch: the search means nothing.
    """
    search = search_jobs(text, now=now)
    verb, states = BULK[action]
    if upto is None:
        newest = await operations.jobs.find(JobFilter(limit=1))
        upto = newest[0].sequence if newest else 0
    states &= search.wanted.states or VISIBLE_STATES
    wanted = replace(search.wanted, states=states, ids=selected)
    count = await operations.jobs.count(wanted) if states else 0
    jobs_word = "1 job" if count == 1 else f"{words.number(count)} jobs"
    which = f"that match {text!r}" if text else "of this server"
    if selected is not None:
        which = f"among the {words.number(len(selected))} selected"
    chosen = () if selected is None else (("selected", "1"), *(("job", str(i)) for i in selected))
    kind = "active" if action == "cancel" else "ended"
    return PageView(
        template="question.html",
        title=f"{verb} {jobs_word}?",
        room="jobs",
        view=Question(
            title=f"{verb} {jobs_word}?",
            sentence=f"All {kind} jobs {which}. {_LOST[action]}",
            action="/ui/jobs/bulk",
            fields=(("do", action), ("q", text), ("upto", str(upto)), *chosen),
            button=f"{verb} {jobs_word}",
            back=address(text),
            is_bad=action != "again",
            count=count,
        ),
    )


def cancel_question(job: Job, *, grace_s: float) -> PageView:
    """Ask before a job is cancelled, or before a crawl that was asked to stop is killed."""
    is_forced = isinstance(job.state, Stopping)
    name = f"{job.request.spider} {job.key}"
    verb = "Kill" if is_forced else "Cancel"
    found = f"The {words.number(job.progress.items)} items found so far are kept."
    if is_forced:
        sentence = (
            "It was asked to stop and closes its spider. Killed now it cannot: what it has not "
            f"written yet is lost. {found}"
        )
    elif isinstance(job.state, Pending):
        sentence = "It will not run."
    else:
        sentence = (
            f"The crawl is asked to close its spider, and killed if that takes longer than "
            f"{words.duration(grace_s)}. {found} It cannot be taken up again where it stopped."
        )
    return PageView(
        template="question.html",
        title=f"{verb} {name}?",
        room="jobs",
        view=Question(
            title=f"{verb} {name}?",
            sentence=sentence,
            action=f"/ui/jobs/{job.id}/cancel",
            fields=(("force", "1"),) if is_forced else (),
            button=f"{verb} the {'crawl' if is_forced else 'job'}",
            back=f"/ui/jobs/{job.id}",
            is_bad=True,
            count=1,
        ),
    )


def delete_question(job: Job) -> PageView:
    """Ask before a job is deleted."""
    name = f"{job.request.spider} {job.key}"
    return PageView(
        template="question.html",
        title=f"Delete {name}?",
        room="jobs",
        view=Question(
            title=f"Delete {name}?",
            sentence=f"It has {words.number(job.progress.items)} items and "
            f"{words.number(job.progress.log_lines)} log lines. {_LOST['delete']}",
            action=f"/ui/jobs/{job.id}/delete",
            fields=(),
            button="Delete the job",
            back=f"/ui/jobs/{job.id}",
            is_bad=True,
            count=1,
        ),
    )
