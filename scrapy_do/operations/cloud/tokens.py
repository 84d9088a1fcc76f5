"""Job tokens: what a running job shows to reach its own data.

A token is computed from the job and one secret of the store, so none has to be kept:
every job has one, whichever dialect made it and whoever runs it.
"""

import hmac
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

from scrapy_do.core.cloud_states import CloudState, cloud_state
from scrapy_do.core.job import Finished, Job, JobKey
from scrapy_do.errors import JobNotFound
from scrapy_do.store.store import Store

_SCOPE, _KEY = "cloud", "job-token-secret"
_AT_ONCE = timedelta(0)


class JobTokens:
    """Issues and verifies tokens of jobs."""

    def __init__(self, *, store: Store, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now
        self._secret: bytes | None = None

    async def issue(self, job: Job) -> str:
        """The token of a job; it opens nothing unless the job is running."""
        if self._secret is None:
            made = secrets.token_hex(32)
            self._secret = (await self._store.cloud.settled(_SCOPE, _KEY, made)).encode()
        return hmac.new(self._secret, f"{job.key} {job.id}".encode(), "sha256").hexdigest()

    async def owner(self, key: JobKey, token: str, *, drain: timedelta = _AT_ONCE) -> Job | None:
        """The job of a token that is good now.

        `drain` is how long after the job's end a token stays good, for writers that still
        hold data: a refusal would make them try again for hours.
        """
        try:
            job = await self._store.jobs.get_by_key(key)
        except JobNotFound:
            return None
        right = hmac.compare_digest((await self.issue(job)).encode(), token.encode())
        return job if right and self._is_open(job, drain) else None

    def _is_open(self, job: Job, drain: timedelta) -> bool:
        if isinstance(job.state, Finished):
            return bool(drain) and self._now() < job.state.since + drain
        return cloud_state(job.state) is CloudState.RUNNING
