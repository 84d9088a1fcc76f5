"""What somebody may ask of a schedule, and how it is refused."""

from dataclasses import dataclass
from datetime import UTC, datetime

from scrapy_do.core.grammar import parse_when, parse_zone
from scrapy_do.core.schedule import Policies, Schedule, Timing
from scrapy_do.core.when import Now
from scrapy_do.errors import BadArgument

LONGEST_NOTE = 1000
LONGEST_JITTER_S = 86_400

EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
"""Nothing that people plan lies outside, and every zone can show it."""

_NO_RULES = Policies()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRequest:
    """When somebody wants a job, as text; the zone (None: the configured one); the rules."""

    when: str
    zone: str | None = None
    policies: Policies = _NO_RULES
    note: str = ""


POLICY_FIELDS = {
    "catchup": "catchup",
    "catchup-window": "catchup_window_s",
    "overlap": "overlap",
    "jitter": "jitter_s",
    "until": "until",
    "max-runs": "max_runs",
}
"""The policies as clients call them, and as fields."""


def refuse_rules_for_now(asked: ScheduleRequest) -> None:
    """Refuse the rules of schedules for a job that runs at once.

    Raises:
        BadArgument: it names the rule.
    """
    for name, field in POLICY_FIELDS.items():
        if getattr(asked.policies, field) != getattr(_NO_RULES, field):
            raise BadArgument(name, "is only for standing orders, not for 'now'")
    if asked.note:
        raise BadArgument("note", "is only for standing orders, not for 'now'")


def check_rules(asked: ScheduleRequest, now: datetime) -> None:
    """Refuse rules that cannot be meant.

    Raises:
        BadArgument: it names the rule.
    """
    policies = asked.policies
    check_note(asked.note)
    if policies.catchup_window_s is not None and policies.catchup_window_s < 0:
        raise BadArgument("catchup-window", "must be at least 0 seconds")
    if not 0 <= policies.jitter_s <= LONGEST_JITTER_S:
        raise BadArgument("jitter", f"must be from 0 to {LONGEST_JITTER_S} seconds")
    if policies.max_runs is not None and policies.max_runs < 1:
        raise BadArgument("max-runs", "must be at least 1")
    if policies.until is not None and not now < policies.until < LATEST:
        raise BadArgument("until", f"must lie ahead, before the year {LATEST.year}")


def check_note(note: str) -> None:
    """Refuse a note that is too long.

    Raises:
        BadArgument: it is.
    """
    if len(note) > LONGEST_NOTE:
        raise BadArgument("note", f"is longer than {LONGEST_NOTE} characters")


def never_runs(schedule: Schedule) -> BadArgument:
    """Say why no planned instant is left."""
    spec = schedule.timing.spec
    max_runs = schedule.policies.max_runs
    if max_runs is not None and schedule.counts.fired >= max_runs:
        return BadArgument("max-runs", f"must be more than the {schedule.counts.fired} so far")
    if schedule.policies.until is not None:
        return BadArgument("until", f"'{spec}' has no instant up to then")
    return BadArgument("when", f"'{spec}' has no instant ahead")


def edited_timing(schedule: Schedule, asked: ScheduleRequest, now: datetime) -> Timing:
    """When a schedule runs after an edit; what is not edited means what it meant.

    Raises:
        BadWhen, BadArgument: the text or the zone means nothing.
    """
    stored = schedule.timing
    zone_name = stored.zone_name if asked.zone is None else asked.zone
    if isinstance(stored, Timing) and (asked.when, zone_name) == (stored.spec, stored.zone_name):
        return stored
    zone = parse_zone(zone_name)
    when = parse_when(asked.when, now=now, zone=zone)
    if isinstance(when, Now):
        raise BadArgument("when", "a standing order cannot become 'now'; use run-schedule for that")
    return Timing(when=when, zone=zone)
