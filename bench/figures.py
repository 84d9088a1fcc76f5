"""All figures of the bench, in the order of the table, with their goals."""

from collections.abc import Mapping

from bench.sheet import (
    BARE,
    SCRAPYD,
    Figure,
    at_least_times,
    at_most,
    at_most_more,
    at_most_part,
)

_COUNTS = (0, 10_000, 100_000)
_QUESTIONS = {"status": "status", "id": "one job", "list": "list of ended jobs"}

_ANSWERS = {
    key: figure
    for what, title in _QUESTIONS.items()
    for count in _COUNTS
    for key, figure in (
        (
            f"answers.{what}.{count}.per_s",
            Figure(f"{title}, {count:,} jobs stored: answers/s", digits=0),
        ),
        (f"answers.{what}.{count}.p99", Figure(f"{title}, {count:,} jobs stored: p99, ms")),
    )
}

FIGURES: Mapping[str, Figure] = {
    "idle.pss": Figure("idle daemon: PSS, MB", [at_most_more(10, SCRAPYD)]),
    "idle.uss": Figure("idle daemon: USS, MB"),
    "idle.threads": Figure("idle daemon: threads", digits=0),
    "idle.wake_ups": Figure("idle daemon: wake-ups/min", [at_most(0)], digits=0),
    "idle.used_pss": Figure("daemon after its first job: PSS, MB"),
    "idle.helpers_pss": Figure("its other processes then: PSS, MB"),
    "latency.answered": Figure("order answered, ms", [at_most(10)]),
    "latency.opened": Figure("order to spider_opened, ms", [at_most_part(12, BARE)], digits=0),
    "latency.finished": Figure("order to listed as finished, ms", digits=0),
    "noop.per_minute": Figure(
        "empty jobs/min, 2 slots",
        [at_least_times(10, SCRAPYD), at_least_times(9, BARE)],
        digits=0,
    ),
    "noop.cpu": Figure("processor time of an empty job, ms", [at_most_part(10, BARE)], digits=0),
    "local10.per_minute": Figure(
        "jobs of 10 pages/min, 2 slots", [at_least_times(4, BARE)], digits=0
    ),
    "local10.cpu": Figure("processor time of a job of 10 pages, ms", digits=0),
    "concurrent.open": Figure("20 crawls at once: all open after, s", digits=2),
    "concurrent.pss": Figure("20 crawls at once: PSS of each, MB", [at_most_part(2.5, BARE)]),
    **_ANSWERS,
    "answers.status.busy.p99": Figure(
        "status, many jobs stored, four busy crawls: p99, ms", [at_most(50)]
    ),
    "answers.id.busy.p99": Figure(
        "one job, many jobs stored, four busy crawls: p99, ms", [at_most(50)]
    ),
    "push.seconds": Figure("push of 50 MB: seconds", digits=2),
    "push.growth": Figure("push of 50 MB: growth of the daemon, MB", [at_most(32)]),
    "push.p99": Figure("push of 50 MB: status p99 meanwhile, ms", [at_most(25)]),
    "log.fast.rate": Figure("log, fast reader: MB/s", digits=0),
    "log.fast.growth": Figure("log, fast reader: growth of the daemon, MB", [at_most(32)]),
    "log.fast.p99": Figure("log, fast reader: status p99 meanwhile, ms", [at_most(25)]),
    "log.slow.growth": Figure("log, reader of 40 MB/s: growth of the daemon, MB", [at_most(32)]),
    "log.slow.p99": Figure("log, reader of 40 MB/s: status p99 meanwhile, ms", [at_most(25)]),
}
