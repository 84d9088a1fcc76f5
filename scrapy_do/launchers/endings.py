"""Reads how a crawl ended from its records. Blocking: to be called in a thread."""

import signal
from dataclasses import replace
from datetime import UTC, datetime

from scrapy_do.launchers.interface import KnownRun
from scrapy_do.protocol import run_record
from scrapy_do.protocol.facts import Ending
from scrapy_do.protocol.frames import BadFrame
from scrapy_do.protocol.run_record import BadRecord, ExitRecord, StartRecord
from scrapy_do.protocol.wire import MAX_RESULT_BYTES, Report, Result, decode_result

RESTARTED = "the machine was restarted"
HOLDER_DIED = "killed together with the process that held it"
GONE = "its records are gone"
DAMAGED = "its records are damaged"

_MAX_REASON_CHARACTERS = 300


def read_exit(
    run: KnownRun, started: StartRecord, last_report: Report | None = None
) -> Ending | None:
    """Return the recorded end, or None when there is no exit record.

    To be called when the holder is gone. `last_report` makes up for a result that a full
    disk did not take.

    Raises:
        BadRecord: the exit record is damaged, or not the holder's.
    """
    record = run_record.read(run.run_dir, run_record.EXIT)
    if record is None:
        return None
    ended = ExitRecord.decode(record)
    if not ended.is_sealed(started):
        raise BadRecord("exit was not written by the holder")
    if run_record.is_alive(started.crawl):
        raise BadRecord("exit tells of a crawl that is alive")
    result = _last_words(run, last_report)
    return Ending(
        ended_at=datetime.fromtimestamp(ended.time_ms / 1000, UTC),
        status=ended.status,
        signal=ended.signal,
        out_of_memory=ended.signal == signal.SIGKILL and ended.memory_kills > 0,
        opened=result.opened,
        close_reason=result.close_reason,
        progress=result.progress,
        printed_errors=result.printed_errors,
    )


def lost_exit(
    run: KnownRun, reason: str, *, found_at: datetime, same_boot: bool, was_opened: bool = False
) -> Ending:
    """Return the end of a crawl that nobody recorded.

    A crawl writes a result when its spider opens. In the same boot a missing one proves
    that it did not; after a power cut it proves nothing.
    """
    ending = _unrecorded(run, found_at, reason)
    is_open = ending.opened or was_opened or not same_boot
    return replace(ending, opened=is_open)


def gone_exit(run: KnownRun, found_at: datetime) -> Ending:
    """Return the end of a crawl whose records have disappeared."""
    return replace(_unrecorded(run, found_at, GONE), opened=True)


def damaged_exit(run: KnownRun, problem: object, found_at: datetime) -> Ending:
    """Return the end of a crawl whose records cannot be believed."""
    damaged = f"{DAMAGED}: {problem}"[:_MAX_REASON_CHARACTERS]
    return replace(_unrecorded(run, found_at, damaged), opened=True, lost=None, damaged=damaged)


def _unrecorded(run: KnownRun, found_at: datetime, lost: str) -> Ending:
    result = _last_words(run, None)
    return Ending(
        ended_at=found_at,
        lost=lost,
        opened=result.opened,
        close_reason=result.close_reason,
        progress=result.progress,
    )


def _last_words(run: KnownRun, last_report: Report | None) -> Result:
    result = Result(opened=last_report is not None, close_reason=None, time_ms=0)
    try:
        written = run_record.read(run.result.parent, run.result.name, MAX_RESULT_BYTES)
        if written is None:  # begun by a version whose crawls wrote among the records
            written = run_record.read(run.run_dir, run_record.RESULT, MAX_RESULT_BYTES)
        if written is not None:
            result = decode_result(written)
    except (BadRecord, BadFrame):
        pass  # a crawl can write anything there; its end is known without
    if result.close_reason is None and last_report is not None and last_report.close_reason:
        result = replace(
            result,
            opened=True,
            close_reason=last_report.close_reason,
            progress=replace(
                last_report.progress, stats=last_report.progress.stats or result.progress.stats
            ),
        )
    return result
