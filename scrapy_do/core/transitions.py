"""How a job moves: events, the one table of transitions, the one rule for the outcome.

Pending --Claimed--> Starting --Started--> Running --Exited--> Finished --Delete--> Deleted
   ^                    |                     |
   +-Fenced/Interrupted-+----Cancel/Limit/Shutdown--> Stopping --Exited/Lost--> Finished
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import cast

from scrapy_do.core.job import (
    Deleted,
    Driver,
    Finished,
    Job,
    Outcome,
    Pending,
    Process,
    Progress,
    Running,
    Starting,
    State,
    StopCause,
    Stopping,
)
from scrapy_do.errors import InvalidTransition


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a crawl's process ended, and what the crawl itself said about it.

    Exactly one of `status` and `signal` is set. `close_reason` is None when the spider
    was never closed by Scrapy. `printed_errors` are those of the errors that were printed to
    stderr, not logged. `out_of_memory` says that the kernel ended processes of this machine for
    lack of memory while the crawl ran.
    """

    ended_at: datetime
    status: int | None = None
    signal: int | None = None
    out_of_memory: bool = False
    opened: bool = False
    close_reason: str | None = None
    progress: Progress = field(default_factory=Progress)
    printed_errors: int = 0


NOT_CHOSEN = {
    "shutdown": "stopped by a signal from outside",
    "memusage_exceeded": "memusage_exceeded",
    "start_error": "start_error",
}
"""Close reasons that neither the spider nor its settings chose as a good end."""


def outcome_of(ending: Ending) -> tuple[Outcome, str]:  # noqa: PLR0911 - a list of rules, first match wins
    """Say whether a crawl went well, and why: the one rule for it.

    SUCCESSFUL is exit status 0 with a close reason that the spider or its settings
    chose. Error lines alone do not fail a crawl; logged errors without a single response and
    a single item do.
    """
    if ending.signal is not None:
        why = " (memory ran out)" if ending.out_of_memory else ""
        return Outcome.FAILED, f"killed by signal {ending.signal}{why}"
    if not ending.opened:
        return Outcome.FAILED, f"exit status {ending.status} before the spider opened"
    if ending.status != 0:
        return Outcome.FAILED, f"exit status {ending.status}"
    if ending.close_reason is None:
        return Outcome.FAILED, "the spider was not closed"
    if ending.close_reason in NOT_CHOSEN:
        return Outcome.FAILED, NOT_CHOSEN[ending.close_reason]
    progress = ending.progress
    errors = progress.errors - ending.printed_errors
    if errors and not progress.responses and not progress.items:
        return Outcome.FAILED, f"{errors} errors and not one response or item"
    return Outcome.SUCCESSFUL, ending.close_reason


# --- the events --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """The controller has a free slot for the job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The holder took the lock and recorded the crawl's process."""

    process: Process | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fenced:
    """Nothing of the run can have started, nor ever will."""

    not_before: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exited:
    """The crawl's process ended and its exit record was read."""

    ending: Ending


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Nobody alive and no exit record: what happened to the crawl cannot be known.

    `damaged` says that there are records, but none to be believed.
    """

    reason: str
    damaged: bool = False
    opened: bool = True
    progress: Progress = field(default_factory=Progress)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Somebody wants the job to end."""

    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The crawl went over a limit of ours; `reason` becomes its close reason."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shutdown:
    """The daemon itself is being stopped and takes its crawls with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """A Scrapy Cloud client deletes the job."""

    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """An outside runner says which state its job is in."""

    state: State


Event = Claimed | Started | Fenced | Exited | Lost | Cancel | Limit | Shutdown | Delete | Declared

CANCELLED = "cancelled"


def _retry(job: Job, attempt: int, failed: Finished) -> State:
    """Go back to Pending while the request allows another attempt, else end."""
    if attempt > job.request.retries:
        return failed
    delay = timedelta(seconds=job.request.retry_delay_s)
    return Pending(since=failed.since, attempt=attempt, not_before=failed.since + delay)


def _claimed(_job: Job, state: State, _event: Event, now: datetime) -> State:
    return Starting(since=now, attempt=cast("Pending", state).attempt + 1)


def _cancel_pending(_job: Job, state: State, _event: Event, now: datetime) -> State:
    attempt = cast("Pending", state).attempt
    return Finished(
        since=now, started=None, attempt=attempt, outcome=Outcome.CANCELED, reason=CANCELLED
    )


def _started(_job: Job, state: State, event: Event, now: datetime) -> State:
    attempt = cast("Starting", state).attempt
    return Running(since=now, attempt=attempt, process=cast("Started", event).process)


def _started_late(_job: Job, state: State, event: Event, now: datetime) -> State:
    """Record the process of a crawl that was told to stop before it had one."""
    stopping = cast("Stopping", state)
    return replace(
        stopping, started=stopping.started or now, process=cast("Started", event).process
    )


def _fenced(_job: Job, state: State, event: Event, now: datetime) -> State:
    attempt = cast("Starting", state).attempt - 1
    return Pending(since=now, attempt=attempt, not_before=cast("Fenced", event).not_before)


def _exited(job: Job, state: State, event: Event, _now: datetime) -> State:
    active = cast("Starting | Running", state)
    ending = cast("Exited", event).ending
    outcome, reason = outcome_of(ending)
    finished = Finished(
        since=ending.ended_at,
        started=active.since,
        attempt=active.attempt,
        outcome=outcome,
        reason=reason,
    )
    return finished if outcome is Outcome.SUCCESSFUL else _retry(job, active.attempt, finished)


def _lost(job: Job, state: State, event: Event, now: datetime) -> State:
    active = cast("Starting | Running", state)
    lost = cast("Lost", event)
    if not lost.opened:
        # The spider never opened, so nothing can have been crawled: it is simply run again.
        return Pending(since=now, attempt=active.attempt - 1)
    finished = Finished(
        since=now,
        started=active.since,
        attempt=active.attempt,
        outcome=Outcome.FAILED if lost.damaged else Outcome.LOST,
        reason=lost.reason,
    )
    return _retry(job, active.attempt, finished)


def _asked_to_stop(_job: Job, state: State, event: Event, now: datetime) -> State:
    active = cast("Starting | Running", state)
    running = isinstance(active, Running)
    match event:
        case Limit(reason=limit):
            cause, reason = StopCause.LIMIT, limit
        case Shutdown():
            cause, reason = StopCause.SHUTDOWN, "interrupted"
        case _:
            cause, reason = StopCause.CANCEL, CANCELLED
    return Stopping(
        since=now,
        started=active.since if running else None,
        attempt=active.attempt,
        cause=cause,
        reason=reason,
        process=active.process if isinstance(active, Running) else None,
    )


def _cancel_stopping(_job: Job, state: State, _event: Event, _now: datetime) -> State:
    """Asking twice is harmless; a cancel outranks a stop of the daemon or a limit."""
    return replace(cast("Stopping", state), cause=StopCause.CANCEL, reason=CANCELLED)


def _unchanged(_job: Job, state: State, _event: Event, _now: datetime) -> State:
    return state


def _stopped(_job: Job, state: State, event: Event, now: datetime) -> State:
    """The wish is fulfilled, whatever the exit says.

    Only a crawl that ended well by itself while the daemon was stopping counts as such;
    any other that the daemon interrupted is run again, its attempt not counted.
    """
    stopping = cast("Stopping", state)
    ended_at, finished_well = now, False
    reason = stopping.reason
    if isinstance(event, Exited):
        ended_at = event.ending.ended_at
        outcome, close_reason = outcome_of(event.ending)
        finished_well = outcome is Outcome.SUCCESSFUL
        if stopping.cause is StopCause.SHUTDOWN and finished_well:
            reason = close_reason
    if stopping.cause is StopCause.SHUTDOWN and not finished_well:
        return Pending(since=now, attempt=stopping.attempt - 1)
    outcomes = {
        StopCause.CANCEL: Outcome.CANCELED,
        StopCause.LIMIT: Outcome.FAILED,
        StopCause.SHUTDOWN: Outcome.SUCCESSFUL,
    }
    started = stopping.started
    if started is None and not isinstance(event, Fenced):
        started = min(stopping.since, ended_at)  # it ran, but its end was seen first
    return Finished(
        since=ended_at,
        started=started,
        attempt=stopping.attempt,
        outcome=outcomes[stopping.cause],
        reason=reason,
    )


def _deleted(_job: Job, state: State, event: Event, now: datetime) -> State:
    return Deleted(since=now, by=cast("Delete", event).by, finished=cast("Finished", state))


def _declared(job: Job, state: State, event: Event, _now: datetime) -> State:
    declared = cast("Declared", event).state
    if job.driver is not Driver.CLIENT or _rank(declared) < _rank(state):
        raise InvalidTransition(type(state).__name__, "Declared")
    return state if type(declared) is type(state) else declared


Transition = Callable[[Job, State, Event, datetime], State]

TRANSITIONS: Mapping[tuple[type[State], type[Event]], Transition] = {
    (Pending, Claimed): _claimed,
    (Pending, Cancel): _cancel_pending,
    (Starting, Started): _started,
    (Starting, Fenced): _fenced,
    (Starting, Exited): _exited,
    (Starting, Lost): _lost,
    (Starting, Cancel): _asked_to_stop,
    (Starting, Shutdown): _asked_to_stop,
    (Running, Exited): _exited,
    (Running, Lost): _lost,
    (Running, Cancel): _asked_to_stop,
    (Running, Limit): _asked_to_stop,
    (Running, Shutdown): _asked_to_stop,
    (Stopping, Started): _started_late,
    (Stopping, Cancel): _cancel_stopping,
    (Stopping, Limit): _unchanged,
    (Stopping, Shutdown): _unchanged,
    (Stopping, Exited): _stopped,
    (Stopping, Lost): _stopped,
    (Stopping, Fenced): _stopped,
    (Finished, Delete): _deleted,
    (Pending, Declared): _declared,
    (Running, Declared): _declared,
    (Stopping, Declared): _declared,
    (Finished, Declared): _declared,
    (Deleted, Declared): _declared,
}
"""Every movement of a job. What is not here is refused by `advance`."""

_ORDER: tuple[type[State], ...] = (Pending, Starting, Running, Stopping, Finished, Deleted)


def _rank(state: State) -> int:
    return _ORDER.index(type(state))


def advance(job: Job, event: Event, *, now: datetime) -> Job:
    """Return the job after an event.

    Raises:
        InvalidTransition: the job's state does not know the event.
    """
    transition = TRANSITIONS.get((type(job.state), type(event)))
    if transition is None:
        raise InvalidTransition(type(job.state).__name__, type(event).__name__)
    state = transition(job, job.state, event, now)
    progress = job.progress
    if isinstance(event, Claimed):
        progress = Progress()  # of the run that begins; what was before is set aside
    elif isinstance(event, Exited):
        progress = event.ending.progress
    elif isinstance(event, Lost):
        progress = event.progress
    cancelled_by = event.by if isinstance(event, Cancel) else job.cancelled_by
    return replace(job, state=state, progress=progress, cancelled_by=cancelled_by, changed_at=now)
