"""What a state means, in a sentence, and what to do next."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scrapy_do.core.job import (
    Finished,
    Job,
    Outcome,
    Pending,
    Running,
    Starting,
    StopCause,
    Stopping,
)
from scrapy_do.ui.words import number


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A state in words: what is or was, and what may be done about it ("" for nothing)."""

    sentence: str
    advice: str = ""


_Rule = tuple[str, str, str]
"""A pattern for the reason, a sentence, an advice."""

ENDED: dict[Outcome, Sequence[_Rule]] = {
    Outcome.SUCCESSFUL: (
        (r"finished", "The spider had nothing left to do.", ""),
        (
            r"closespider_(\w+)",
            "It stopped at a limit of its own: CLOSESPIDER_{0}.",
            "Raise that setting if there should have been more.",
        ),
        (r"(.*)", "The spider closed itself: {0}.", ""),
    ),
    Outcome.FAILED: (
        (
            r".*memory ran out.*",
            "The machine ran out of memory and its kernel ended the crawl.",
            "Run fewer crawls at once, or give this one a memory-limit.",
        ),
        (
            r"memusage_exceeded",
            "The crawl used more memory than its setting MEMUSAGE_LIMIT_MB.",
            "Raise the setting, or look for what the spider keeps.",
        ),
        (
            r"memory_limit",
            "The crawl used more memory than its memory-limit.",
            "Raise memory-limit, or look for what the spider keeps.",
        ),
        (
            r"job_timeout",
            "The crawl took longer than its timeout.",
            "Raise timeout, or look at what it waited for last.",
        ),
        (
            r"stall_timeout",
            "Nothing was logged, requested or scraped for the whole stall-timeout.",
            "Raise stall-timeout, or look at the last request.",
        ),
        (
            r"killed by signal (\d+).*",
            "Something outside ended the crawl by signal {0}.",
            "Look at the last lines of the log and at the log of the machine.",
        ),
        (
            r"exit status (\d+) before the spider opened",
            "The project or the spider could not be loaded (exit status {0}).",
            "The log ends with the reason.",
        ),
        (
            r"exit status (\d+)",
            "The process of the crawl ended by itself with status {0}.",
            "The log ends with what came before.",
        ),
        (
            r"start_error",
            "The start of the spider raised an error.",
            "Look at the first error of the log.",
        ),
        (
            r"(\d+) errors and not one response or item",
            "Nothing was fetched or found, and {0} errors were logged.",
            "Look at the first error of the log.",
        ),
        (r"(.*)", "It failed: {0}.", "Look at the last lines of the log."),
    ),
    Outcome.CANCELED: ((r".*", "", ""),),
    Outcome.LOST: (
        (
            r"(.*)",
            "What became of the crawl cannot be known: {0}.",
            "Its log and items are kept as far as they were written. Run it again.",
        ),
    ),
}


def said(job: Job) -> Said:
    """Say how a job is, and what may be done."""
    match job.state:
        case Pending(attempt=attempt):
            again = f" It was started {attempt} times before." if attempt else ""
            return Said(sentence=f"It waits for a free slot.{again}")
        case Starting():
            return Said(sentence="Its process is being started.")
        case Running():
            return Said(sentence="The crawl is at work.")
        case Stopping(cause=cause):
            return Said(sentence=_WHY[cause](job), advice="It closes its spider now.")
        case Finished(outcome=outcome, reason=reason):
            return _ended(job, outcome, reason)
        case _:
            return Said(sentence="It was deleted by a Scrapy Cloud client.")


_WHY: dict[StopCause, Callable[[Job], str]] = {
    StopCause.CANCEL: lambda job: f"{job.cancelled_by or 'Somebody'} asked it to stop.",
    StopCause.LIMIT: lambda _job: "It is over one of its limits and was asked to stop.",
    StopCause.SHUTDOWN: lambda _job: "The server stops, and the crawl with it.",
}


def _ended(job: Job, outcome: Outcome, reason: str) -> Said:
    if outcome is Outcome.CANCELED:
        return Said(
            sentence=f"{job.cancelled_by or 'Somebody'} cancelled it.",
            advice="What it had found until then is kept.",
        )
    ended = why(outcome, reason)
    errors = job.progress.errors if outcome is Outcome.SUCCESSFUL else 0
    if not errors:
        return ended
    were = "1 error was" if errors == 1 else f"{number(errors)} errors were"
    return Said(sentence=ended.sentence, advice=f"{were} logged: have a look.")


def why(outcome: Outcome, reason: str) -> Said:
    """Say why a crawl has ended as it has."""
    for pattern, sentence, advice in ENDED[outcome]:
        found = re.fullmatch(pattern, reason, re.DOTALL)
        if found:
            return Said(sentence=sentence.format(*found.groups()), advice=advice)
    return Said(sentence=reason)
