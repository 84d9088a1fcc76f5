"""What a Scrapy Cloud client asks for when it makes a job, and whether it may have that."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import uuid4

from scrapy_do.core.cloud_states import CloudState, state_in
from scrapy_do.core.job import JSON, Driver, JobRequest, NewJob
from scrapy_do.core.principal import Principal, Role
from scrapy_do.core.project import Project
from scrapy_do.errors import BadArgument, NotPermitted
from scrapy_do.operations.admission import Admission
from scrapy_do.operations.cloud.fields import (
    CLOSE_REASON,
    described,
    label,
    reason_of,
    writable,
)

LONGEST_UNIQUE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """A job that a client wants: its spider by name, and metadata fields to begin with."""

    spider: str
    state: CloudState = CloudState.PENDING
    unique: str | None = None
    fields: Mapping[str, JSON] = field(default_factory=dict)


class CloudRules:
    """What a crawl of ours may be given by whom. An outside runner looks after itself."""

    def __init__(self, rules: Admission) -> None:
        self._rules = rules

    def check(self, request: JobRequest, before: JobRequest, driver: Driver, by: Principal) -> None:
        """Refuse what may not be asked for, as far as it is new.

        An environment is for who may push code.

        Raises:
            BadArgument, NotPermitted: some part of it may not.
        """
        if driver is Driver.CLIENT or request == before:
            return
        if request.environment != before.environment and not by.may(Role.PUSH):
            raise NotPermitted("An environment may only be given by who may push projects")
        # Tags are free texts here, checked when they were read.
        self._rules.check(replace(request, tags=()), by=by, before=before)


def new_job(
    push: Push,
    project: Project,
    usual: JobRequest,
    *,
    rules: CloudRules,
    by: Principal,
    now: datetime,
) -> NewJob:
    """A job about to be stored. `usual` is the project's request with its default values.

    Raises:
        BadArgument, TooLarge, NotPermitted: it cannot be accepted.
    """
    deployed = project.current is not None and push.spider in project.current.spiders
    spider = push.spider if deployed else label(push.spider, "spider")
    local = deployed and push.state is CloudState.PENDING
    driver = Driver.LOCAL if local else Driver.CLIENT
    plain = replace(usual, spider=spider)
    request, meta = described(plain, {}, writable(push.fields, driver))
    rules.check(request, plain, driver, by)
    reason = ""
    if push.state in {CloudState.FINISHED, CloudState.DELETED}:
        reason = reason_of(meta.get(CLOSE_REASON))
        meta = {name: meta[name] for name in meta if name != CLOSE_REASON}
    return NewJob(
        id=uuid4(),
        request=request,
        driver=driver,
        state=state_in(push.state, by=by.name, now=now, reason=reason),
        created_at=now,
        unique=_unique(push.unique),
        scheduled_by=by.name if push.state is CloudState.PENDING else None,
        started_by=by.name if push.state is CloudState.RUNNING else None,
        completed_by=by.name if push.state is CloudState.FINISHED else None,
        meta=meta,
    )


def _unique(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value.isprintable() or len(value) > LONGEST_UNIQUE:
        raise BadArgument("unique", f"must be a text of at most {LONGEST_UNIQUE} characters")
    return value
