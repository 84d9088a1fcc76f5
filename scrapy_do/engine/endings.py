"""What the launcher tells, in the words of the core."""

from dataclasses import replace
from datetime import UTC, datetime

from scrapy_do.core.job import Process, Progress
from scrapy_do.core.transitions import Ending, Exited, Fenced, Lost
from scrapy_do.launchers.interface import Adopted, Alive, Ended, Exit
from scrapy_do.launchers.interface import Fenced as NeverStarted
from scrapy_do.protocol.run_record import ProcessIdentity
from scrapy_do.protocol.wire import Counts, Report


def event_of_exit(ending: Exit) -> Exited | Lost:
    """What the end of a crawl means for its job."""
    progress = _progress(ending.counts, ending.stats)
    if ending.lost is not None:
        return Lost(reason=ending.lost, opened=ending.opened, progress=progress)
    if ending.damaged is not None:
        return Lost(reason=ending.damaged, damaged=True, progress=progress)
    return Exited(
        ending=Ending(
            ended_at=ending.ended_at,
            status=ending.status,
            signal=ending.signal,
            out_of_memory=ending.out_of_memory,
            opened=ending.opened,
            close_reason=ending.close_reason,
            progress=progress,
            printed_errors=ending.printed_errors,
        )
    )


def process_of(identity: ProcessIdentity | None) -> Process | None:
    """The identity of a crawl's process as a job keeps it."""
    if identity is None:
        return None
    return Process(pid=identity.pid, start_ticks=identity.start_ticks, boot_id=identity.boot_id)


def identity_of(process: Process) -> ProcessIdentity:
    """The same identity as a launcher knows it."""
    return ProcessIdentity(
        pid=process.pid, start_ticks=process.start_ticks, boot_id=process.boot_id
    )


def progress_of(report: Report) -> Progress:
    """How far a crawl says it is."""
    return replace(
        _progress(report.counts, report.stats or {}),
        reported_at=datetime.fromtimestamp(report.time_ms / 1000, UTC),
    )


def _progress(counts: Counts, stats: object) -> Progress:
    return Progress(
        items=counts.items,
        requests=counts.requests,
        responses=counts.responses,
        log_lines=counts.log_lines,
        errors=counts.errors,
        stats=dict(stats) if isinstance(stats, dict) else {},
    )


def event_of_adopted(found: Adopted) -> Exited | Lost | Fenced | None:
    """What was found in a run directory means for its job; None for a crawl that lives."""
    match found:
        case Ended(exit=ending):
            return event_of_exit(ending)
        case NeverStarted():
            return Fenced()
        case Alive():
            return None
