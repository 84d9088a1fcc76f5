"""Reads how a crawl ended from its records. Blocking: to be called in a thread."""

import signal
from dataclasses import replace
from datetime import UTC, datetime

from scrapy_do.launchers.interface import Exit, Run, Usage
from scrapy_do.protocol import run_record
from scrapy_do.protocol.frames import BadFrame
from scrapy_do.protocol.run_record import BadRecord, ExitRecord
from scrapy_do.protocol.wire import Report, Result, decode_result

RESTARTED = "the machine was restarted"
HOLDER_DIED = "killed together with the process that held it"
DAMAGED = "its records are damaged"


def read_exit(run: Run, last_report: Report | None = None) -> Exit | None:
    """Return the recorded end, or None when there is no exit record.

    `last_report` makes up for a result that a full disk did not take.

    Raises:
        BadRecord: the exit record is damaged.
    """
    record = run_record.read(run.run_dir, run_record.EXIT)
    if record is None:
        return None
    ended = ExitRecord.decode(record)
    result = _last_words(run, last_report)
    return Exit(
        ended_at=datetime.fromtimestamp(ended.time_ms / 1000, UTC),
        status=ended.status,
        signal=ended.signal,
        out_of_memory=ended.signal == signal.SIGKILL and ended.memory_kills > 0,
        opened=result.opened,
        close_reason=result.close_reason,
        counts=result.counts,
        stats=result.stats,
        usage=Usage(
            user_s=ended.user_s, system_s=ended.system_s, max_rss_bytes=ended.max_rss_bytes
        ),
    )


def lost_exit(run: Run, reason: str, *, found_at: datetime, same_boot: bool) -> Exit:
    """Return the end of a crawl that nobody recorded.

    A crawl writes a result when its spider opens. In the same boot a missing one proves
    that it did not; after a power cut it proves nothing.
    """
    result = _last_words(run, None)
    return Exit(
        ended_at=found_at,
        lost=reason,
        opened=result.opened or not same_boot,
        close_reason=result.close_reason,
        counts=result.counts,
        stats=result.stats,
    )


def _last_words(run: Run, last_report: Report | None) -> Result:
    result = Result(opened=last_report is not None, close_reason=None, time_ms=0)
    try:
        written = run_record.read(run.result.parent, run.result.name)
        if written is None:  # begun by a version whose crawls wrote among the records
            written = run_record.read(run.run_dir, run_record.RESULT)
        if written is not None:
            result = decode_result(written)
    except (BadRecord, BadFrame):
        pass  # a crawl can write anything there; its end is known without
    if result.close_reason is None and last_report is not None and last_report.close_reason:
        result = replace(
            result,
            opened=True,
            close_reason=last_report.close_reason,
            counts=last_report.counts,
            stats=last_report.stats or result.stats,
        )
    return result
