"""What states a job has, how it moves, and how its outcome is judged."""

from dataclasses import replace
from itertools import product
from typing import get_args

import pytest

from scrapy_do.core.job import (
    Deleted,
    Driver,
    Finished,
    JobKey,
    Outcome,
    Pending,
    Running,
    Starting,
    State,
    StopCause,
    Stopping,
    has_started,
    is_active,
)
from scrapy_do.core.transitions import (
    Cancel,
    Claimed,
    Declared,
    Delete,
    Event,
    Exited,
    Fenced,
    Limit,
    Lost,
    Shutdown,
    Started,
    advance,
    cancel,
    outcome_of,
)
from scrapy_do.errors import BadArgument, InvalidTransition
from scrapy_do.protocol.facts import Progress
from tests.factories import PROCESS, START, at, ending, job, request

PENDING = Pending(since=START)
STARTING = Starting(since=at(1), attempt=1)
RUNNING = Running(since=at(2), attempt=1, process=PROCESS)
FINISHED = Finished(
    since=at(60), started=at(2), attempt=1, outcome=Outcome.SUCCESSFUL, reason="finished"
)
DELETED = Deleted(since=at(70), by="tester", finished=FINISHED)


def stopping(cause: StopCause, reason: str) -> Stopping:
    return Stopping(
        since=at(3), started=at(2), attempt=1, cause=cause, reason=reason, process=PROCESS
    )


CANCELLING = stopping(StopCause.CANCEL, "cancelled")
LIMITED = stopping(StopCause.LIMIT, "job_timeout")
INTERRUPTED = stopping(StopCause.SHUTDOWN, "interrupted")
STATES: list[State] = [PENDING, STARTING, RUNNING, CANCELLING, FINISHED, DELETED]


def finished(outcome: Outcome, reason: str, **fields: object) -> Finished:
    return replace(FINISHED, outcome=outcome, reason=reason, **fields)  # type: ignore[arg-type]  # fields of Finished


def pending_again(seconds: float = 60, **fields: object) -> Pending:
    return Pending(since=at(seconds), **fields)  # type: ignore[arg-type]  # fields of Pending


SHUT = ending(close_reason="shutdown")

MOVES: list[tuple[str, State, Event, State]] = [
    ("a slot is free", PENDING, Claimed(), Starting(since=at(60), attempt=1)),
    ("a retry counts on", Pending(since=START, attempt=2), Claimed(),
     Starting(since=at(60), attempt=3)),
    ("a pending job is cancelled at once", PENDING, Cancel(by="me"),
     Finished(since=at(60), started=None, attempt=0, outcome=Outcome.CANCELED,
              reason="cancelled")),
    ("the holder recorded itself", STARTING, Started(process=PROCESS),
     Running(since=at(60), attempt=1, process=PROCESS)),
    ("nothing can have run, so the attempt is not counted", STARTING, Fenced(), pending_again()),
    ("a launch that failed waits before the next", STARTING, Fenced(not_before=at(90)),
     pending_again(not_before=at(90))),
    ("it ended before it was seen running", STARTING, Exited(ending=ending()),
     replace(FINISHED, started=at(1))),
    ("it ended well", RUNNING, Exited(ending=ending()), FINISHED),
    ("it failed", RUNNING, Exited(ending=ending(status=1)),
     finished(Outcome.FAILED, "exit status 1")),
    ("it was lost", RUNNING, Lost(reason="the machine was restarted"),
     finished(Outcome.LOST, "the machine was restarted")),
    ("lost before its spider opened, it runs again", RUNNING, Lost(reason="", opened=False),
     pending_again()),
    ("a launch was lost before its spider opened", STARTING, Lost(reason="", opened=False),
     pending_again()),
    ("cancelled before it was seen running", STARTING, Cancel(by="me"),
     Stopping(since=at(60), started=None, attempt=1, cause=StopCause.CANCEL,
              reason="cancelled", process=None)),
    ("the daemon stops amid a launch", STARTING, Shutdown(),
     Stopping(since=at(60), started=None, attempt=1, cause=StopCause.SHUTDOWN,
              reason="interrupted", process=None)),
    ("cancelled while running", RUNNING, Cancel(by="me"), replace(CANCELLING, since=at(60))),
    ("over a limit", RUNNING, Limit(reason="job_timeout"), replace(LIMITED, since=at(60))),
    ("the daemon stops", RUNNING, Shutdown(), replace(INTERRUPTED, since=at(60))),
    ("the process of a cancelled launch becomes known",
     replace(CANCELLING, started=None, process=None), Started(process=PROCESS),
     replace(CANCELLING, started=at(60))),
    ("asking twice is harmless", CANCELLING, Cancel(by="me"), CANCELLING),
    ("a cancel outranks a limit", LIMITED, Cancel(by="me"), CANCELLING),
    ("a cancel outranks the daemon's stop", INTERRUPTED, Cancel(by="me"), CANCELLING),
    ("a second limit changes nothing", CANCELLING, Limit(reason="job_timeout"), CANCELLING),
    ("a stop of the daemon changes nothing", LIMITED, Shutdown(), LIMITED),
    ("the wish is fulfilled, whatever the exit says", CANCELLING, Exited(ending=ending()),
     finished(Outcome.CANCELED, "cancelled")),
    ("its end was seen before its start", replace(CANCELLING, started=None, since=at(50)),
     Exited(ending=ending()), finished(Outcome.CANCELED, "cancelled", started=at(50))),
    ("cancelled and lost is cancelled", CANCELLING, Lost(reason="gone"),
     finished(Outcome.CANCELED, "cancelled")),
    ("cancelled and never started is cancelled", CANCELLING, Fenced(),
     finished(Outcome.CANCELED, "cancelled")),
    ("cancelled before it was seen, and never started",
     replace(CANCELLING, started=None, process=None), Fenced(),
     finished(Outcome.CANCELED, "cancelled", started=None)),
    ("a limit is a failure with its own reason", LIMITED, Exited(ending=SHUT),
     finished(Outcome.FAILED, "job_timeout")),
    ("interrupted by the daemon, it runs again", INTERRUPTED, Exited(ending=SHUT),
     pending_again()),
    ("it ended well by itself while the daemon stopped", INTERRUPTED, Exited(ending=ending()),
     FINISHED),
    ("interrupted and lost, it runs again", INTERRUPTED, Lost(reason="gone"), pending_again()),
    ("deleted", FINISHED, Delete(by="me"), Deleted(since=at(60), by="me", finished=FINISHED)),
]  # fmt: skip


@pytest.mark.parametrize(("why", "before", "event", "after"), MOVES, ids=[m[0] for m in MOVES])
def test_move(why: str, before: State, event: Event, after: State) -> None:
    """Each event moves each state as the table says."""
    moved = advance(job(state=before), event, now=at(60))

    assert after == moved.state, why
    assert at(60) == moved.changed_at


def test_every_other_pair_is_refused() -> None:
    """An event that a state does not know raises and names both; no transition is without a row."""
    known = {(type(before), type(event)) for _, before, event, _ in MOVES}
    for state, event_class in product(STATES, get_args(Event)):
        if (type(state), event_class) in known:
            continue
        event = next(move[2] for move in [*MOVES, DECLARATION] if type(move[2]) is event_class)

        with pytest.raises(InvalidTransition, match=type(state).__name__):
            advance(job(state=state), event, now=at(60))


DECLARATION: tuple[str, State, Event, State] = (
    "a client says so",
    PENDING,
    Declared(state=RUNNING),
    RUNNING,
)


@pytest.mark.parametrize("state", [STARTING, RUNNING, CANCELLING])
def test_a_cancel_of_what_a_client_runs_is_only_noted(state: State) -> None:
    """The wish to end a client's job does not move it; its runner sees it."""
    theirs = job(driver=Driver.CLIENT, state=state)
    assert replace(theirs, cancelled_by="ann") == cancel(theirs, by="ann", now=at(60))


@pytest.mark.parametrize(
    ("driver", "state"),
    [
        (Driver.CLIENT, PENDING),
        (Driver.LOCAL, PENDING),
        (Driver.LOCAL, STARTING),
        (Driver.LOCAL, RUNNING),
    ],
)
def test_any_other_cancel_moves_the_job(driver: Driver, state: State) -> None:
    """What waits ends at once; what runs here is asked to stop."""
    given = job(driver=driver, state=state)
    assert advance(given, Cancel(by="ann"), now=at(60)) == cancel(given, by="ann", now=at(60))


@pytest.mark.parametrize("driver", Driver)
def test_what_has_ended_is_not_cancelled(driver: Driver) -> None:
    """Nobody's wish moves a job that has ended."""
    for state in (FINISHED, DELETED):
        with pytest.raises(InvalidTransition):
            cancel(job(driver=driver, state=state), by="ann", now=at(60))


@pytest.mark.parametrize("attempt", [1, 2])
def test_retries(attempt: int) -> None:
    """A failed crawl is repeated, after the delay, while the request allows it."""
    retrying = job(
        state=replace(RUNNING, attempt=attempt), request=request(retries=2, retry_delay_s=30)
    )

    moved = advance(retrying, Exited(ending=ending(status=1)), now=at(61))

    assert Pending(since=at(60), attempt=attempt, not_before=at(90)) == moved.state


def test_retries_end() -> None:
    """The attempt after the last retry is the end."""
    last = job(state=replace(RUNNING, attempt=3), request=request(retries=2))

    moved = advance(last, Lost(reason="gone"), now=at(60))

    assert finished(Outcome.LOST, "gone", attempt=3) == moved.state


def test_final_progress_is_kept() -> None:
    """What the crawl said at its end replaces what it said on the way."""
    running = job(state=RUNNING, progress=Progress(items=1))

    moved = advance(running, Exited(ending=ending(progress=Progress(items=7))), now=at(60))

    assert Progress(items=7) == moved.progress


def test_who_cancelled_is_kept() -> None:
    """A cancelled job knows who wanted it."""
    assert advance(job(), Cancel(by="me"), now=at(60)).cancelled_by == "me"


@pytest.mark.parametrize(
    ("before", "declared", "after"),
    [
        (PENDING, RUNNING, RUNNING),
        (PENDING, FINISHED, FINISHED),
        (RUNNING, FINISHED, FINISHED),
        (CANCELLING, FINISHED, FINISHED),
        (FINISHED, DELETED, DELETED),
        (FINISHED, replace(FINISHED, since=at(99)), FINISHED),
        (DELETED, replace(DELETED, since=at(99)), DELETED),
    ],
)
def test_declared(before: State, declared: State, after: State) -> None:
    """An outside runner moves its job forward; naming the same state changes nothing."""
    driven = job(state=before, driver=Driver.CLIENT)

    assert after == advance(driven, Declared(state=declared), now=at(60)).state


@pytest.mark.parametrize("driver", list(Driver))
def test_declared_refused(driver: Driver) -> None:
    """No job goes back, and a job of ours is not moved from outside."""
    before = FINISHED if driver is Driver.CLIENT else PENDING

    with pytest.raises(InvalidTransition):
        advance(job(state=before, driver=driver), Declared(state=RUNNING), now=at(60))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, (Outcome.SUCCESSFUL, "finished")),
        ({"close_reason": "closespider_itemcount"}, (Outcome.SUCCESSFUL, "closespider_itemcount")),
        ({"close_reason": "enough"}, (Outcome.SUCCESSFUL, "enough")),
        ({"status": 3}, (Outcome.FAILED, "exit status 3")),
        ({"signal": 9}, (Outcome.FAILED, "killed by signal 9")),
        (
            {"signal": 9, "out_of_memory": True},
            (Outcome.FAILED, "killed by signal 9 (memory ran out)"),
        ),
        ({"opened": False}, (Outcome.FAILED, "exit status 0 before the spider opened")),
        ({"close_reason": None}, (Outcome.FAILED, "the spider was not closed")),
        ({"close_reason": "shutdown"}, (Outcome.FAILED, "stopped by a signal from outside")),
        ({"close_reason": "start_error"}, (Outcome.FAILED, "start_error")),
        ({"close_reason": "memusage_exceeded"}, (Outcome.FAILED, "memusage_exceeded")),
        (
            {"progress": Progress(errors=2)},
            (Outcome.FAILED, "2 errors and not one response or item"),
        ),
        ({"progress": Progress(errors=2, responses=1)}, (Outcome.SUCCESSFUL, "finished")),
        ({"progress": Progress(errors=2, items=1)}, (Outcome.SUCCESSFUL, "finished")),
        ({"progress": Progress()}, (Outcome.SUCCESSFUL, "finished")),
    ],
)
def test_outcome(fields: dict[str, object], expected: tuple[Outcome, str]) -> None:
    """The one rule for what went well."""
    assert expected == outcome_of(ending(**fields))


def test_key() -> None:
    """A key is written and read as project/spider/number."""
    key = JobKey(project=1, spider=23, number=456)

    assert str(key) == "1/23/456"
    assert key == JobKey.parse("1/23/456")


@pytest.mark.parametrize(
    "text", ["", "1", "1/2", "1/2/3/4", "a/b/c", "1/-2/3", "1/2/٣", "1/2/" + "9" * 19]
)
def test_bad_key(text: str) -> None:
    """Anything else is refused, the field named."""
    with pytest.raises(BadArgument, match="key"):
        JobKey.parse(text)


@pytest.mark.parametrize("priority", [-1, 5])
def test_bad_priority(priority: int) -> None:
    """A priority is 0 to 4."""
    with pytest.raises(BadArgument, match="priority"):
        request(priority=priority)


def test_active() -> None:
    """A job is active until it has finished."""
    assert [is_active(state) for state in STATES] == [True, True, True, True, False, False]


def test_started() -> None:
    """A job has started once a launch of it has begun; a retry does not undo that."""
    never = finished(Outcome.CANCELED, "cancelled", started=None)
    states: list[State] = [PENDING, never, STARTING, RUNNING, CANCELLING, FINISHED, DELETED]

    assert [False, False, True, True, True, True, True] == [has_started(one) for one in states]
    assert has_started(Pending(since=START, attempt=1))
