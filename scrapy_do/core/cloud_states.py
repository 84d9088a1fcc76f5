"""The four states of Scrapy Cloud, and what it means to declare one.

Source: Scrapy Cloud JobQ API, `push`, `startjob`, `update`.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from scrapy_do.core.filter import StateName
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
    Stopping,
)
from scrapy_do.core.transitions import Declared, Delete, advance
from scrapy_do.errors import Conflict

LONGEST_REASON = 255
RUNNER = "jobrunner"
"""Who does what is done by a job itself, or by our controller for it."""


class CloudState(StrEnum):
    """A state by the name that Scrapy Cloud clients use."""

    PENDING = "pending"
    RUNNING = "running"
    FINISHED = "finished"
    DELETED = "deleted"


STORED: Mapping[CloudState, frozenset[StateName]] = {
    CloudState.PENDING: frozenset({StateName.PENDING}),
    CloudState.RUNNING: frozenset({StateName.STARTING, StateName.RUNNING, StateName.STOPPING}),
    CloudState.FINISHED: frozenset({StateName.FINISHED}),
    CloudState.DELETED: frozenset({StateName.DELETED}),
}
"""The states of the core that each of them stands for."""


def cloud_state(state: State) -> CloudState:
    """The state of a job as Scrapy Cloud clients know it."""
    match state:
        case Pending():
            return CloudState.PENDING
        case Starting() | Running() | Stopping():
            return CloudState.RUNNING
        case Finished():
            return CloudState.FINISHED
        case Deleted():
            return CloudState.DELETED


_BAD_REASONS = re.compile(r"failed|shutdown|(mem|disk)usage_exceeded|killed by .*", re.DOTALL)


def outcome_of_reason(reason: str) -> Outcome:
    """The outcome of a job that an outside runner finished for a reason.

    Source: Scrapy Cloud's close reasons; those of spiders' own count as good.
    """
    if reason.startswith("cancel"):
        return Outcome.CANCELED
    return Outcome.FAILED if _BAD_REASONS.fullmatch(reason) else Outcome.SUCCESSFUL


def _finished(state: State | None, *, reason: str, now: datetime) -> Finished:
    """A job's end, told by its runner; without a reason, "" stands for none."""
    if isinstance(state, Finished):
        return state
    running = state if isinstance(state, Running) else None
    return Finished(
        since=now,
        started=None if running is None else running.since,
        attempt=0 if running is None else running.attempt,
        outcome=outcome_of_reason(reason),
        reason=reason[:LONGEST_REASON],
    )


def state_in(
    target: CloudState, *, by: str, now: datetime, reason: str, before: State | None = None
) -> State:
    """A state of a job that an outside runner drives, new or after another state."""
    match target:
        case CloudState.PENDING:
            return Pending(since=now)
        case CloudState.RUNNING:
            return Running(since=now, attempt=1, process=None)
        case CloudState.FINISHED:
            return _finished(before, reason=reason, now=now)
        case CloudState.DELETED:
            return Deleted(since=now, by=by, finished=_finished(before, reason=reason, now=now))


def declare(job: Job, target: CloudState, *, by: str, now: datetime, reason: str = "") -> Job:
    """A job after its runner has said in which state it is; the same state changes nothing.

    A pending job of our controller goes over to the outside runner.

    Raises:
        Conflict: the job would go back, or our controller is running it.
    """
    state = cloud_state(job.state)
    if state is target:
        return job
    if isinstance(job.state, Finished) and target is CloudState.DELETED:
        return advance(job, Delete(by=by), now=now)
    if state is CloudState.RUNNING and job.driver is Driver.LOCAL:
        raise Conflict(f"Job {job.key} is being run by this server; cancel it instead")
    if list(CloudState).index(target) < list(CloudState).index(state):
        raise Conflict(f"Job {job.key} is {state} and cannot become {target} again")
    declared = state_in(target, by=by, now=now, reason=reason, before=job.state)
    taken = replace(job, driver=Driver.CLIENT)
    moved = advance(taken, Declared(state=declared), now=now)
    match target:
        case CloudState.RUNNING:
            return replace(moved, started_by=by)
        case CloudState.FINISHED:
            return replace(moved, completed_by=by)
        case _:
            return moved
