"""The JSON of a job in this dialect: metadata, JobQ rows, dash rows.

Times are integer milliseconds since the epoch in storage, ISO without a zone in dash.
Source: Scrapy Cloud job metadata, JobQ and Jobs APIs.
"""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from scrapy_do.core.cloud_states import CloudState, cloud_state
from scrapy_do.core.instants import ms_of
from scrapy_do.core.job import NO_PAYLOAD, Deleted, Driver, Finished, Job, Outcome
from scrapy_do.operations.cloud.activity import History, history_of

Fields = dict[str, Any]

MANUAL = "manual"
"""The type of every spider that we know."""

_OUR_WORDS = {"stopped by a signal from outside": "shutdown"}


def close_reason(job: Job) -> str | None:
    """Why a job ended, in Scrapy Cloud's words; None while it has not, or nobody said.

    Our own sentences for people are put into the one word that clients know.
    """
    ended = job.state.finished if isinstance(job.state, Deleted) else job.state
    if not isinstance(ended, Finished):
        return None
    reason = ended.reason
    failed = ended.outcome in {Outcome.FAILED, Outcome.LOST}
    if job.driver is Driver.LOCAL and failed and not reason.startswith("killed by "):
        reason = _OUR_WORDS.get(reason, "failed" if " " in reason else reason)
    return reason or None


def _history_json(past: History) -> Fields:
    times = {
        "pending_time": past.pending,
        "running_time": past.running,
        "finished_time": past.finished,
        "deleted_time": past.deleted,
    }
    people = {
        "scheduled_by": past.scheduled_by,
        "started_by": past.started_by,
        "completed_by": past.completed_by,
        "cancelled_by": past.cancelled_by,
        "deleted_by": past.deleted_by,
    }
    return {
        **{name: ms_of(instant) for name, instant in times.items() if instant is not None},
        **{name: person for name, person in people.items() if person is not None},
    }


def addresses(base_url: str) -> Fields:
    """Where the daemon is, as metadata says it.

    Clients compare `api_url` with the address that they were given, and call it from within
    jobs; so it is the one under which they ask.
    """
    return {"api_url": f"{base_url}/api/", "portia_url": f"{base_url}/ui/"}


def arguments_of(job: Job) -> Fields:
    """Give the arguments that the spider gets; the payload of the Scrapy Do API is one."""
    request = job.request
    payload = {"payload": request.payload} if request.payload != NO_PAYLOAD else {}
    return {**request.arguments, **payload}


def metadata_json(job: Job, *, base_url: str) -> Fields:
    """Show all that is known of a job, but its token, to who asks at `base_url`."""
    request = job.request
    whole: Fields = {
        "project": job.key.project,
        "spider": request.spider,
        "state": cloud_state(job.state).value,
        "priority": request.priority,
        "units": request.units,
        **_history_json(history_of(job)),
    }
    if job.driver is Driver.LOCAL:
        whole |= {"spider_type": MANUAL, **addresses(base_url)}
    given = {
        "tags": list(request.tags),
        "spider_args": arguments_of(job),
        "job_settings": dict(request.settings),
        "environment": dict(request.environment),
        "version": request.version,
        "deploy_id": job.deploy_id,
        "close_reason": close_reason(job),
        "scrapystats": dict(job.progress.stats),
    }
    whole |= {name: value for name, value in given.items() if value}
    whole |= job.meta
    if "spider_type" in whole:  # not a bare push, which has no tags unless it was given some
        whole.setdefault("tags", [])
    return whole


def started_json(job: Job, token: str, *, base_url: str) -> Fields:
    """Show a job to the runner that has just taken it."""
    return {**metadata_json(job, base_url=base_url), "key": str(job.key), "auth": token}


_COUNTS = ("logs", "items", "pages", "errors")


def _counts(job: Job) -> Fields:
    progress = job.progress
    counts = (progress.log_lines, progress.items, progress.responses, progress.errors)
    return dict(zip(_COUNTS, counts, strict=True))


def row_json(
    job: Job,
    now: datetime,
    wanted: Collection[str] = (),
    *,
    base_url: str,
    tags: bool = False,
) -> Fields:
    """Show a job in a list of the JobQ API, to who asks at `base_url`.

    `wanted` are the metadata fields that the client asks for instead of the usual ones;
    `tags` adds the tags to them. `elapsed` is the time since the last change of state, in
    milliseconds, and never 0.
    """
    ts = ms_of(job.changed_at)
    row: Fields = {
        "key": str(job.key),
        "ts": ts,
        "state": cloud_state(job.state).value,
        "elapsed": max(1, ms_of(now) - ts),
    }
    if wanted:
        known = {**_counts(job), **metadata_json(job, base_url=base_url)}
        names = [*wanted, "tags"] if tags and job.request.tags else wanted
        return row | {name: known[name] for name in names if name in known and name != "key"}
    row["spider"] = job.request.spider
    past = _history_json(history_of(job))
    row |= {name: past[name] for name in _ROW_TIMES if name in past}
    extra = {
        "tags": list(job.request.tags),
        "close_reason": close_reason(job),
        "version": job.meta.get("version", job.request.version),
    }
    row |= {name: value for name, value in extra.items() if value}
    started = cloud_state(job.state) is not CloudState.PENDING
    return row | (_counts(job) if started and job.driver is Driver.LOCAL else _known(job))


_ROW_TIMES = ("pending_time", "running_time", "finished_time")


def _known(job: Job) -> Fields:
    """The counts that an outside runner's job has; one of 0 may just not be known."""
    return {name: count for name, count in _counts(job).items() if count}


def _iso(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def updated_at(job: Job) -> datetime:
    """When something was last heard of a job: its last report while it runs, else its change."""
    reported_at = job.progress.reported_at
    is_running = cloud_state(job.state) is CloudState.RUNNING
    return max(job.changed_at, reported_at) if is_running and reported_at else job.changed_at


def dash_json(job: Job, now: datetime) -> Fields:
    """Show a job in a list of the dash API.

    `updated_time` is the last report of a running job, else the last change of state; `elapsed`
    is milliseconds since then.
    """
    progress, updated = job.progress, updated_at(job)
    row: Fields = {
        "id": str(job.key),
        "spider": job.request.spider,
        "state": cloud_state(job.state).value,
        "version": job.meta.get("version", job.request.version),
        "spider_type": job.meta.get("spider_type", MANUAL),
        "priority": job.request.priority,
        "tags": list(job.request.tags),
        "updated_time": _iso(updated),
        "elapsed": max(1, ms_of(now) - ms_of(updated)),
        "items_scraped": progress.items,
        "responses_received": progress.responses,
        "logs": progress.log_lines,
        "errors_count": progress.errors,
    }
    past = history_of(job)
    if past.running is not None:
        row["started_time"] = _iso(past.running)
    extra = {"close_reason": close_reason(job), "spider_args": arguments_of(job)}
    return row | {name: value for name, value in extra.items() if value}
