"""Who asks, as Scrapy Cloud clients say it, and the answers to those who do not.

Source: Scrapy Cloud: an API key is a Basic user without a password; a running job is the
Basic user `P/S/J` with its token for a password. Errors of the services for storage and
of the dash API have each their own shape.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from scrapy_do.core.cloud_states import RUNNER
from scrapy_do.core.job import JobKey
from scrapy_do.core.principal import Principal, Role
from scrapy_do.errors import (
    BadArgument,
    Conflict,
    Invalid,
    JobNotFound,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    ScrapyDoError,
)
from scrapy_do.operations.cloud.projects import check_may_open
from scrapy_do.operations.cloud.tokens import JobTokens
from scrapy_do.web.auth import Access, Credentials, NoCredentials, PasswordCredentials
from scrapy_do.web.permits import PERMITS
from scrapy_do.web.router import JSON, Answer, Call, Router
from scrapy_do.web.status import ErrorStyle, UnknownPath

Handler = Callable[..., Awaitable[JSON | Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRunner(Principal):
    """A running job that showed its token: it may only touch what is its own."""

    job: JobKey


class KeyAccess:
    """API keys: what the site's own access says, but nobody is let in without one."""

    def __init__(self, site: Access) -> None:
        self._site = site

    async def authenticate(self, credentials: Credentials) -> Principal:
        """Say who the key belongs to.

        Raises:
            NotAuthenticated: there is no key, or nobody has it.
        """
        if isinstance(credentials, NoCredentials) or _job_of(credentials) is not None:
            raise NotAuthenticated("An API key is needed")
        return await self._site.authenticate(credentials)


class JobAccess:
    """API keys, and the tokens of running jobs.

    `drain` is how long after a job's end its token is still good.
    """

    def __init__(self, site: Access, tokens: JobTokens, *, drain: timedelta = timedelta(0)) -> None:
        self._keys = KeyAccess(site)
        self._tokens = tokens
        self._drain = drain

    async def authenticate(self, credentials: Credentials) -> Principal:
        """Say who the key or the token belongs to.

        Raises:
            NotAuthenticated: there is none, nobody has it, or the job has ended.
        """
        key = _job_of(credentials)
        if key is None or not isinstance(credentials, PasswordCredentials):
            return await self._keys.authenticate(credentials)
        if await self._tokens.owner(key, credentials.password, drain=self._drain) is None:
            raise NotAuthenticated("The token is wrong, or its job is not running")
        return JobRunner(name=RUNNER, role=Role.RUN, job=key)


class AnyAccess:
    """For what nobody needs a key."""

    async def authenticate(self, credentials: Credentials) -> Principal:  # noqa: ARG002  everybody
        """Let everybody look."""
        return Principal(name="anonymous", role=Role.READ)


def _job_of(credentials: Credentials) -> JobKey | None:
    """The job that credentials name, whether their token is right or not."""
    if not isinstance(credentials, PasswordCredentials):
        return None
    try:
        return JobKey.parse(credentials.user)
    except BadArgument:
        return None


def check_own(principal: Principal, key: JobKey) -> None:
    """Let a job touch itself alone; people may touch any.

    Raises:
        NotPermitted: a job asks for another.
    """
    if isinstance(principal, JobRunner) and principal.job != key:
        raise NotPermitted(f"The token of job {principal.job} opens only that job")


def check_project(principal: Principal, project: int) -> None:
    """Let a job touch what its own project shares, and people what is in their projects.

    Raises:
        NotPermitted: a job asks for another project's, or a key for one that it does not see.
    """
    if isinstance(principal, JobRunner) and principal.job.project != project:
        raise NotPermitted(f"The token of job {principal.job} opens only its own project")
    check_may_open(principal, project)


def own_projects(principal: Principal, values: Mapping[str, Any]) -> None:
    """Guard the routes by project: a key opens the projects that it sees.

    Raises:
        NotPermitted: it is none of them.
    """
    project = values.get("project")
    if isinstance(project, int) and not isinstance(principal, JobRunner):
        check_project(principal, project)


def not_for_jobs(handler: Handler) -> Handler:
    """Serve a route to people only, where the service also knows the tokens of jobs."""

    async def served(call: Call, **values: Any) -> JSON | Answer:  # noqa: ANN401 - of the path
        if isinstance(call.principal, JobRunner):
            raise NotPermitted(f"The token of job {call.principal.job} does not open this")
        return await handler(call, **values)

    return served


# --- errors ------------------------------------------------------------------------------------


def _encoded(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace")


def _storage_body(error: ScrapyDoError, status: int) -> bytes:
    phrase = HTTPStatus(status).phrase
    message = phrase if isinstance(error, NotAuthenticated) else str(error)
    return _encoded({"error": phrase, "message": message})


def _data_body(error: ScrapyDoError, _status: int) -> bytes:
    message = "Unauthorized" if isinstance(error, NotAuthenticated) else str(error)
    return message.encode("utf-8", "backslashreplace")


def _dash_body(error: ScrapyDoError, _status: int) -> bytes:
    # The official client knows exactly this sentence.
    message = "Authentication failed" if isinstance(error, NotAuthenticated) else str(error)
    status = "badrequest" if isinstance(error, Invalid) else "error"
    return _encoded({"status": status, "message": message}) + b"\n"


CHALLENGE = 'Basic realm="apikey"'

STORAGE = ErrorStyle(body=_storage_body, challenge=CHALLENGE)
"""Services that answer JSON: {"error", "message"}."""

DATA = ErrorStyle(body=_data_body, content_type="text/plain; charset=utf-8", challenge=CHALLENGE)
"""Services of records: plain text."""

DASH = ErrorStyle(
    body=_dash_body,
    status={
        NotFound: 400,
        JobNotFound: 404,
        UnknownPath: 404,
        Conflict: 400,
        NotAuthenticated: 403,
    },
    challenge=None,
)
"""The dash API: the client looks at `status` and `message`, never at the body of a 404."""

REST = ErrorStyle(body=_dash_body, status={NotAuthenticated: 403}, challenge=None)
"""The second version of the dash API: plain statuses."""


def storage_router(access: Access, tokens: JobTokens) -> Router:
    """A router of the services for storage: keys and jobs come in, each to its own projects."""
    return Router(
        permits=PERMITS,
        style=STORAGE,
        any_slash=True,
        access=JobAccess(access, tokens),
        guard=own_projects,
    )
