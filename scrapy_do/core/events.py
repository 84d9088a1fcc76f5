"""What happened, told to whoever listens inside the daemon.

A plain in-memory publisher: nothing durable hangs on it. The store publishes what each of its
methods has changed, after the commit and before the caller goes on; nobody else does. A
listener that raises is a bug of the listener and must not stop the others, so listeners only
set flags and count.
"""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from scrapy_do.core.job import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class JobChanged:
    """A job was stored in a new state, or its end was asked for."""

    job: Job


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectChanged:
    """A project was pushed, changed its current version, or was removed."""

    project: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleChanged:
    """A schedule was made, changed or fired."""

    schedule_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlReported:
    """A running crawl said how far it is."""

    job_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsChanged:
    """What is kept by name in a scope of the store, such as settings of a project, changed."""

    scope: str


Happening = JobChanged | ProjectChanged | ScheduleChanged | CrawlReported | SettingsChanged
Listener = Callable[[Happening], None]


class Publisher:
    """Tells every listener of what happened, in the order of subscription."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Add a listener; the function returned takes it away again."""
        self._listeners.append(listener)

        def unsubscribe() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return unsubscribe

    def forget(self) -> None:
        """Tell nobody any more who listens now."""
        self._listeners.clear()

    def publish(self, happening: Happening) -> None:
        """Tell the listeners."""
        for listener in tuple(self._listeners):
            listener(happening)
