"""Instants as numbers: whole milliseconds since the epoch, as they are stored and sent."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MS = timedelta(milliseconds=1)


def ms_of(instant: datetime) -> int:
    """Milliseconds since the epoch; what is finer is cut."""
    return (instant - EPOCH) // MS


def instant_of(ms: int) -> datetime:
    """The instant of that many milliseconds since the epoch."""
    return EPOCH + ms * MS
