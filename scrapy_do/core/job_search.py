"""The search for jobs that people type: `spider:books state:failed since:2d tag:eu`.

Words are joined by "and"; tags by "or". A word without a name is the name of a spider. A value
with a blank stands in double quotes, a double quote in it is written twice; `-tag:eu` leaves a tag
out.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from scrapy_do.core.filter import ACTIVE_STATES, JobFilter, StateName, outcomes, states
from scrapy_do.core.job import Outcome
from scrapy_do.errors import BadSearch

EXAMPLE = "spider:books state:failed since:2d tag:eu"

_WORD = re.compile(
    r'(?P<bare>-?[a-z]+:)?(?:"(?P<quoted>(?:[^"]|"")*)"|(?P<plain>[^\s"]+))(?=\s|$)|\S+'
)
_AGE = re.compile(r"([0-9]{1,6})([smhdw])")
_UNITS: Mapping[str, timedelta] = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_NAMES = ("project", "spider", "state", "tag", "-tag", "since", "before", "schedule")
_LONGEST = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What a word for a state means in the store."""

    states: frozenset[StateName]
    outcomes: frozenset[Outcome] | None = None


def _ended(*ways: Outcome) -> State:
    return State(states=states(StateName.FINISHED), outcomes=outcomes(ways))


STATES: Mapping[str, State] = {
    "queued": State(states=states(StateName.PENDING)),
    "running": State(states=ACTIVE_STATES - {StateName.PENDING}),
    "successful": _ended(Outcome.SUCCESSFUL),
    "failed": _ended(Outcome.FAILED, Outcome.LOST),
    "cancelled": _ended(Outcome.CANCELED),
    "lost": _ended(Outcome.LOST),
    "active": State(states=ACTIVE_STATES),
    "ended": State(states=states(StateName.FINISHED)),
}
_SPELLINGS = {"pending": "queued", "canceled": "cancelled", "finished": "ended"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One word of a search: what it asks for and where it stands in the text."""

    name: str
    value: str
    text: str
    begin: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A search that was understood."""

    text: str
    terms: Sequence[Term]
    wanted: JobFilter

    @property
    def state(self) -> str:
        """The word for the state that is asked for, "" for all."""
        return next((term.value for term in self.terms if term.name == "state"), "")

    def with_state(self, word: str) -> str:
        """The text of the same search for another state, "" for all."""
        kept = [term.text for term in self.terms if term.name != "state"]
        return " ".join([*kept, f"state:{word}"] if word else kept)


def search_jobs(text: str, *, now: datetime) -> Search:
    """Understand a search.

    Raises:
        BadSearch: a part of it means nothing; the error says which, and what would be right.
    """
    if len(text) > _LONGEST:
        raise BadSearch(f"a search has at most {_LONGEST} characters", text[:_LONGEST], 0, _LONGEST)
    terms = tuple(_terms(text))
    wanted = JobFilter()
    seen: set[str] = set()
    for term in terms:
        if term.name in seen and term.name not in ("tag", "-tag"):
            raise _wrong(f"there is one {term.name}: before already", text, term)
        seen.add(term.name)
        wanted = _narrowed(wanted, text, term, now)
    return Search(text=text, terms=terms, wanted=wanted)


def word(name: str, value: str) -> str:
    """The word of a search for a value, whatever is in it."""
    doubled = value.replace('"', '""')
    return f'{name}:"{doubled}"'


def _terms(text: str) -> Sequence[Term]:
    found = []
    for match in _WORD.finditer(text):
        name = (match["bare"] or "").removesuffix(":")
        quoted = match["quoted"]
        value = match["plain"] if quoted is None else quoted.replace('""', '"')
        term = Term(
            name=name or "spider",
            value=value or "",
            text=match[0],
            begin=match.start(),
            end=match.end(),
        )
        if value is None:
            raise _wrong('a value stands in two double quotes, as in spider:"a b"', text, term)
        if term.name not in _NAMES:
            raise _wrong(f"{name}: is not known; there are {', '.join(_NAMES)}", text, term)
        if term.name == "state":
            value = _SPELLINGS.get(term.value.lower(), term.value.lower())
            term = replace(term, value=value)
        found.append(term)
    return found


def _narrowed(wanted: JobFilter, text: str, term: Term, now: datetime) -> JobFilter:  # noqa: PLR0911 - a list of names
    value = term.value
    match term.name:
        case "project":
            return replace(wanted, project=value)
        case "spider":
            return replace(wanted, spider=value)
        case "tag":
            return replace(wanted, tags_any=(*wanted.tags_any, value))
        case "-tag":
            return replace(wanted, tags_none=(*wanted.tags_none, value))
        case "state":
            if value not in STATES:
                raise _wrong(f"a state is one of {', '.join(STATES)}", text, term)
            state = STATES[value]
            return replace(wanted, states=state.states, outcomes=state.outcomes)
        case "schedule":
            return replace(wanted, schedule_id=_identifier(text, term))
        case "since":
            return replace(wanted, changed_from=_moment(text, term, now))
        case _:
            return replace(wanted, changed_before=_moment(text, term, now))


def _identifier(text: str, term: Term) -> UUID:
    try:
        return UUID(term.value)
    except ValueError:
        raise _wrong("a schedule is named by its identifier", text, term) from None


def _moment(text: str, term: Term, now: datetime) -> datetime:
    """Read an age such as 2d, or a date or time; without a zone it is UTC."""
    age = _AGE.fullmatch(term.value)
    try:
        if age is not None:
            return now - int(age[1]) * _UNITS[age[2]]
        instant = datetime.fromisoformat(term.value)
        return instant.replace(tzinfo=instant.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _wrong(
            "a time is an age (30m, 12h, 2d, 1w) or a date (2026-06-03)", text, term
        ) from None


def _wrong(message: str, text: str, term: Term) -> BadSearch:
    return BadSearch(message, text, term.begin, term.end)
