"""How a job moves: events, the one table of transitions, the one rule for the outcome.

Pending --Claimed--> Starting --Started--> Running --Exited--> Finished --Delete--> Deleted
   ^                    |                     |
   +-Fenced/Interrupted-+----Cancel/Limit/Shutdown--> Stopping --Exited/Lost--> Finished
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import assert_never

from scrapy_do.core.job import (
    Deleted,
    Driver,
    Finished,
    Job,
    Outcome,
    Pending,
    Running,
    Starting,
    State,
    StopCause,
    Stopping,
    process_in,
    started_at,
)
from scrapy_do.errors import InvalidTransition
from scrapy_do.protocol.facts import Ending, Process, Progress

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


def event_of(ending: Ending) -> Exited | Lost:
    """What the end of a crawl means for its job."""
    if ending.lost is not None:
        return Lost(reason=ending.lost, opened=ending.opened, progress=ending.progress)
    if ending.damaged is not None:
        return Lost(reason=ending.damaged, damaged=True, progress=ending.progress)
    return Exited(ending=ending)


# --- the transitions ---------------------------------------------------------------------------


def advance(job: Job, event: Event, *, now: datetime) -> Job:
    """Return the job after an event.

    Raises:
        InvalidTransition: the job's state does not know the event.
    """
    state = _next_state(job, event, now)
    if state is None:
        raise InvalidTransition(type(job.state).__name__, type(event).__name__)
    moved = replace(job, state=state, changed_at=now)
    match event:
        case Claimed():
            return replace(moved, progress=Progress())  # of the run that begins
        case Exited(ending=ending):
            return replace(moved, progress=ending.progress)
        case Lost(progress=progress):
            return replace(moved, progress=progress)
        case Cancel(by=by):
            return replace(moved, cancelled_by=by)
        case _:
            return moved


def cancel(job: Job, *, by: str, now: datetime) -> Job:
    """Return the job after somebody wants its end; one that a client runs only notes the wish.

    Raises:
        InvalidTransition: the job has ended.
    """
    if job.driver is Driver.CLIENT and isinstance(job.state, Starting | Running | Stopping):
        return replace(job, cancelled_by=by)
    return advance(job, Cancel(by=by), now=now)


def _next_state(job: Job, event: Event, now: datetime) -> State | None:
    """The table: the state after an event, None where the state does not know the event."""
    state = job.state
    match state:
        case Pending():
            return _after_pending(job, state, event, now)
        case Starting():
            return _after_starting(job, state, event, now)
        case Running():
            return _after_running(job, state, event, now)
        case Stopping():
            return _after_stopping(job, state, event, now)
        case Finished():
            return _after_finished(job, state, event, now)
        case Deleted():
            return _declared(job, event.state) if isinstance(event, Declared) else None
        case _:
            assert_never(state)


def _after_pending(job: Job, state: Pending, event: Event, now: datetime) -> State | None:
    match event:
        case Claimed():
            return Starting(since=now, attempt=state.attempt + 1)
        case Cancel():
            return Finished(
                since=now,
                started=None,
                attempt=state.attempt,
                outcome=Outcome.CANCELED,
                reason=CANCELLED,
            )
        case Declared():
            return _declared(job, event.state)
        case Started() | Fenced() | Exited() | Lost() | Limit() | Shutdown() | Delete():
            return None
        case _:
            assert_never(event)


def _after_starting(job: Job, state: Starting, event: Event, now: datetime) -> State | None:
    match event:
        case Started():
            return Running(since=now, attempt=state.attempt, process=event.process)
        case Fenced():
            return Pending(since=now, attempt=state.attempt - 1, not_before=event.not_before)
        case Exited():
            return _exited(job, state, event.ending)
        case Lost():
            return _lost(job, state, event, now)
        case Cancel() | Shutdown():
            return _stopping(state, event, now)
        case Claimed() | Limit() | Delete() | Declared():
            return None
        case _:
            assert_never(event)


def _after_running(job: Job, state: Running, event: Event, now: datetime) -> State | None:
    match event:
        case Exited():
            return _exited(job, state, event.ending)
        case Lost():
            return _lost(job, state, event, now)
        case Cancel() | Limit() | Shutdown():
            return _stopping(state, event, now)
        case Declared():
            return _declared(job, event.state)
        case Claimed() | Started() | Fenced() | Delete():
            return None
        case _:
            assert_never(event)


def _after_stopping(job: Job, state: Stopping, event: Event, now: datetime) -> State | None:
    match event:
        case Started():  # it was told to stop before it had a process
            return replace(state, started=state.started or now, process=event.process)
        case Cancel():  # asking twice is harmless; it outranks a stop of the daemon and a limit
            return replace(state, cause=StopCause.CANCEL, reason=CANCELLED)
        case Limit() | Shutdown():
            return state
        case Exited() | Lost() | Fenced():
            return _stopped(state, event, now)
        case Declared():
            return _declared(job, event.state)
        case Claimed() | Delete():
            return None
        case _:
            assert_never(event)


def _after_finished(job: Job, state: Finished, event: Event, now: datetime) -> State | None:
    match event:
        case Delete():
            return Deleted(since=now, by=event.by, finished=state)
        case Declared():
            return _declared(job, event.state)
        case _:
            return None


def _exited(job: Job, state: Starting | Running, ending: Ending) -> State:
    outcome, reason = outcome_of(ending)
    finished = Finished(
        since=ending.ended_at,
        started=state.since,
        attempt=state.attempt,
        outcome=outcome,
        reason=reason,
    )
    return finished if outcome is Outcome.SUCCESSFUL else _retry(job, finished)


def _lost(job: Job, state: Starting | Running, event: Lost, now: datetime) -> State:
    if not event.opened:
        # The spider never opened, so nothing can have been crawled: it is simply run again.
        return Pending(since=now, attempt=state.attempt - 1)
    finished = Finished(
        since=now,
        started=state.since,
        attempt=state.attempt,
        outcome=Outcome.FAILED if event.damaged else Outcome.LOST,
        reason=event.reason,
    )
    return _retry(job, finished)


def _retry(job: Job, failed: Finished) -> State:
    """Go back to Pending while the request allows another attempt, else end."""
    if failed.attempt > job.request.retries:
        return failed
    delay = timedelta(seconds=job.request.retry_delay_s)
    return Pending(since=failed.since, attempt=failed.attempt, not_before=failed.since + delay)


def _stopping(
    state: Starting | Running, event: Cancel | Limit | Shutdown, now: datetime
) -> Stopping:
    match event:
        case Limit():
            cause, reason = StopCause.LIMIT, event.reason
        case Shutdown():
            cause, reason = StopCause.SHUTDOWN, "interrupted"
        case Cancel():
            cause, reason = StopCause.CANCEL, CANCELLED
    return Stopping(
        since=now,
        started=started_at(state),
        attempt=state.attempt,
        cause=cause,
        reason=reason,
        process=process_in(state),
    )


def _stopped(state: Stopping, event: Exited | Lost | Fenced, now: datetime) -> State:
    """The wish is fulfilled, whatever the exit says.

    Only a crawl that ended well by itself while the daemon was stopping counts as such;
    any other that the daemon interrupted is run again, its attempt not counted.
    """
    ended_at, finished_well = now, False
    reason = state.reason
    if isinstance(event, Exited):
        ended_at = event.ending.ended_at
        outcome, close_reason = outcome_of(event.ending)
        finished_well = outcome is Outcome.SUCCESSFUL
        if state.cause is StopCause.SHUTDOWN and finished_well:
            reason = close_reason
    if state.cause is StopCause.SHUTDOWN and not finished_well:
        return Pending(since=now, attempt=state.attempt - 1)
    outcomes = {
        StopCause.CANCEL: Outcome.CANCELED,
        StopCause.LIMIT: Outcome.FAILED,
        StopCause.SHUTDOWN: Outcome.SUCCESSFUL,
    }
    started = state.started
    if started is None and not isinstance(event, Fenced):
        started = min(state.since, ended_at)  # it ran, but its end was seen first
    return Finished(
        since=ended_at,
        started=started,
        attempt=state.attempt,
        outcome=outcomes[state.cause],
        reason=reason,
    )


_ORDER: tuple[type[State], ...] = (Pending, Starting, Running, Stopping, Finished, Deleted)


def _declared(job: Job, state: State) -> State | None:
    """What a client says of a job that it runs itself, unless that would lead back."""
    if job.driver is not Driver.CLIENT or _rank(state) < _rank(job.state):
        return None
    return job.state if type(state) is type(job.state) else state


def _rank(state: State) -> int:
    return _ORDER.index(type(state))
