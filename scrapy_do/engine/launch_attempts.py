"""Launches under way: from a claimed job to its crawl, or to why there is none.

Note [Launches that come to nothing]: a launch that is refused, as while the disk is full, is
repeated for as long as it takes, ever more seldom. One that went out, and of which there is
then no trace or whose crawl was gone before its spider opened, may be the doing of the
crawl: after `MOST_LAUNCHES` of them the job is lost.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from twisted.logger import Logger

from scrapy_do.core.job import Job, Starting, is_active
from scrapy_do.core.transitions import Exited, Fenced, Lost
from scrapy_do.engine.reconcile_loop import FIRST_RETRY_S, LAST_RETRY_S
from scrapy_do.engine.run_setup import RunSetup
from scrapy_do.errors import ScrapyDoError, Unavailable
from scrapy_do.launchers.interface import Crawl, Launcher
from scrapy_do.system.runtime import background

MOST_LAUNCHES = 3

Over = Exited | Lost | Fenced
"""How the launch of a job is over."""


class Launches:
    """Prepares and starts what jobs ask for; a job whose launch failed waits longer each time."""

    def __init__(
        self, *, launcher: Launcher, run_setup: RunSetup, now: Callable[[], datetime]
    ) -> None:
        self._log = Logger()
        self._launcher = launcher
        self._run_setup = run_setup
        self._now = now
        self._under_way: set[UUID] = set()
        self._failures: dict[UUID, int] = {}
        self._came_to_nothing: dict[UUID, int] = {}

    @property
    def under_way(self) -> frozenset[UUID]:
        """The jobs that are being launched."""
        return frozenset(self._under_way)

    async def launch(self, job: Job) -> Crawl | Fenced | Lost:
        """Launch the present attempt of a job.

        Returns:
            Its crawl; or `Fenced` when nothing was started and it may be tried again, or `Lost`
            when the job can never be started.
        """
        self._under_way.add(job.id)
        try:
            crawl = await self._launcher.launch(await self._run_setup.prepare(job))
        except (Unavailable, OSError) as error:
            return self._later(job, str(error))
        except ScrapyDoError as error:
            self._failures.pop(job.id, None)
            return Lost(reason=f"could not be started: {error}")
        except Exception as error:  # noqa: BLE001 - a bug of ours is no reason to start it at once
            self._log.failure("the launch of job {job} failed", job=str(job.id))
            return self._later(job, repr(error))
        finally:
            self._under_way.discard(job.id)
        self._failures.pop(job.id, None)
        background(self._run_setup.make_ahead(job), "making a tree ahead")
        return crawl

    def judged(self, job: Job, event: Over) -> Over:
        """Return the event, or the end of a job that was launched in vain too often.

        See Note [Launches that come to nothing].
        """
        why = _why_in_vain(job, event)
        launches = self._came_to_nothing.get(job.id, 0) + 1
        if why is None or launches < MOST_LAUNCHES:
            return event
        return Lost(reason=f"launched {launches} times in vain: {why}")

    def note(self, job: Job, event: Over, *, after: Job) -> None:
        """Count a launch that came to nothing, once it is stored what the job is after it."""
        if not is_active(after.state):
            self.forget(job.id)
        elif _why_in_vain(job, event) is not None:
            self._came_to_nothing[job.id] = self._came_to_nothing.get(job.id, 0) + 1
        elif not isinstance(event, Fenced):
            self._came_to_nothing.pop(job.id, None)

    def forget(self, job_id: UUID) -> None:
        """A job has ended: it is launched no more."""
        self._failures.pop(job_id, None)
        self._came_to_nothing.pop(job_id, None)

    def _later(self, job: Job, problem: str) -> Fenced:
        failures = self._failures.get(job.id, 0)
        self._failures[job.id] = failures + 1
        delay_s = min(FIRST_RETRY_S * 2**failures, LAST_RETRY_S)
        self._log.warn(
            "the launch of job {job} failed: {problem}", job=str(job.id), problem=problem
        )
        return Fenced(not_before=self._now() + timedelta(seconds=delay_s))


def _why_in_vain(job: Job, event: Over) -> str | None:
    """Say why a launch that went out came to nothing; None when it did not."""
    match event:
        case Fenced(not_before=None) if isinstance(job.state, Starting):
            return "there is no trace of its start"
        case Lost(opened=False, reason=reason):
            return reason
        case _:
            return None
