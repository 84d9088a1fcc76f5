"""Small makers of what is put into a store."""

from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any
from uuid import UUID

from scrapy_do.core.job import (
    Actor,
    Finished,
    NewJob,
    Outcome,
    Pending,
    State,
)
from scrapy_do.core.project import ArchiveRef, NewVersion
from scrapy_do.core.schedule import (
    Schedule,
    ScheduleEvent,
    ScheduleEventKind,
)
from tests.factories import START, at, request, timing

Run = Callable[[Coroutine[Any, Any, Any]], Any]

SPIDERS = ("toscrape-css", "toscrape-xpath")
FINISHED = Finished(
    since=at(60), started=at(1), attempt=1, outcome=Outcome.SUCCESSFUL, reason="finished"
)


def version(project: str = "quotesbot", **fields: Any) -> NewVersion:
    return NewVersion(
        **{
            "project": project,
            "label": None,
            "archive": ArchiveRef(digest="0a" * 32, size_bytes=4096),
            "root": "",
            "settings_module": "quotesbot.settings",
            "spiders": SPIDERS,
            "pushed_at": START,
            "pushed_by": "ann",
            **fields,
        }
    )


def new(number: int = 1, state: State | None = None, **fields: Any) -> NewJob:
    return NewJob(
        **{
            "id": UUID(int=number),
            "request": request(),
            "state": state or Pending(since=at(number)),
            "created_at": at(number),
            **fields,
        }
    )


def order(number: int = 1, **fields: Any) -> Schedule:
    return Schedule(
        **{
            "id": UUID(int=1000 + number),
            "request": request(),
            "timing": timing("every hour", "Europe/Berlin"),
            "anchor": START,
            "created_at": at(number),
            "changed_at": at(number),
            "created_by": "ann",
            "next_due": at(3600),
            **fields,
        }
    )


def planned(schedule: Schedule, planned_at: datetime, number: int = 1) -> NewJob:
    return new(
        number,
        actor=Actor.SCHEDULER,
        schedule_id=schedule.id,
        planned_at=planned_at,
    )


def missed(schedule: Schedule, number: int) -> ScheduleEvent:
    return ScheduleEvent(
        schedule_id=schedule.id,
        kind=ScheduleEventKind.MISSED,
        first=at(number),
        last=at(number + 1),
        count=2,
        reason="the daemon was down",
    )
