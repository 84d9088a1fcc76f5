"""What somebody may have meant by a specification that is refused.

The grammar says what is wrong; this looks for the slip: a word that is nearly one of the language,
or a usual way to write a schedule elsewhere.
"""

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from scrapy_do.core.grammar import UNITS, parse_when
from scrapy_do.core.kinds import WEEKDAYS
from scrapy_do.errors import BadWhen

EXAMPLES = ("every monday at 12:30", "every 2 hours", "cron 0 5 * * 1-5")

_WORDS = ("every", "cron", "at", "to", "now", *UNITS, *WEEKDAYS)
_LIKENESS = 0.6
_SHORT = {name[:length]: name for name in WEEKDAYS for length in (3, 4, 5) if name != name[:length]}
_SHORT |= {"min": "minutes", "mins": "minutes", "sec": "seconds", "secs": "seconds", "h": "hours"}
_USUAL = {
    "daily": "every day",
    "hourly": "every hour",
    "weekly": "every week",
    "midnight": "every day at 00:00",
    "@daily": "every day at 00:00",
    "@midnight": "every day at 00:00",
    "@hourly": "every hour at :00",
    "@weekly": "cron 0 0 * * 0",
    "@monthly": "cron 0 0 1 * *",
    "@yearly": "cron 0 0 1 1 *",
    "@annually": "cron 0 0 1 1 *",
}
_NO_SLIPS = frozenset({"weekday", "weekdays", "month", "months", "monthly", "year", "yearly"})
"""Words that people mean, and that no word of the language is like in meaning."""

_SHORT_HOUR = re.compile(r"(?<![\d:])(\d:\d\d)(?!\d)", re.ASCII)
_TIME_WITHOUT_AT = re.compile(r"(?<!at) (\d{1,2}:\d\d(?::\d\d)?)$", re.ASCII)
_LONGEST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """The slip in a refused text, from `begin` to before `end`, and what would be right.

    `word` is meant instead of the slip, "" where no single word is wrong. `text` is the whole
    specification as it may be meant; "" when nothing right was found.
    """

    begin: int
    end: int
    word: str
    text: str


def advise(text: str, *, now: datetime, zone: ZoneInfo) -> Advice | None:
    """Look for what a refused specification may mean; None when nothing comes near."""
    if len(text) > _LONGEST or not text.isascii():
        return None
    slips = [(word, meant) for word in _words(text) if (meant := _meant(word[0].lower()))]
    whole = _right(text, [(match, meant) for match, meant in slips], now=now, zone=zone)
    if slips:
        match, meant = slips[0]
        return Advice(begin=match.start(), end=match.end(), word=meant, text=whole)
    return Advice(begin=0, end=0, word="", text=whole) if whole else None


def nearest(name: str, names: Sequence[str]) -> Sequence[str]:
    """A few of the names that one is nearly, or a part of."""
    wanted = name.strip().lower().replace(" ", "_")
    if not wanted or len(wanted) > _LONGEST:
        return ()
    inside = [one for one in names if wanted in one.lower()]
    folded = {one.lower(): one for one in names}
    near = [folded[one] for one in difflib.get_close_matches(wanted, folded, n=3)]
    cities = {one.lower().rpartition("/")[2]: one for one in names}
    near += [cities[one] for one in difflib.get_close_matches(wanted, cities, n=3)]
    return tuple(dict.fromkeys([*inside[:3], *near]))[:4]


def _words(text: str) -> Iterator[re.Match[str]]:
    return re.finditer(r"@?[A-Za-z]+", text)


def _meant(word: str) -> str:
    """The word of the language that another one is nearly; "" for none, and for one of it."""
    if word in _WORDS or word in _NO_SLIPS:
        return ""
    usual = _USUAL.get(word) or _SHORT.get(word)
    if usual:
        return usual
    return next(iter(difflib.get_close_matches(word, _WORDS, n=1, cutoff=_LIKENESS)), "")


def _right(
    text: str, slips: list[tuple[re.Match[str], str]], *, now: datetime, zone: ZoneInfo
) -> str:
    """The first of some corrections that means something, in its normal form."""
    for match, meant in reversed(slips):
        text = text[: match.start()] + meant + text[match.end() :]
    for candidate in _candidates(" ".join(text.split())):
        try:
            return str(parse_when(candidate, now=now, zone=zone))
        except BadWhen:
            continue
    return ""


def _candidates(text: str) -> Iterator[str]:
    long = _SHORT_HOUR.sub(r"0\1", text)
    working_days = re.fullmatch(r"every weekdays?(?: at (\d\d):(\d\d))?", long)
    if working_days:
        yield f"cron {int(working_days[2] or 0)} {int(working_days[1] or 0)} * * 1-5"
    monthly = re.fullmatch(r"(?:every month|monthly)(?: at (\d\d):(\d\d))?", long)
    if monthly:
        yield f"cron {int(monthly[2] or 0)} {int(monthly[1] or 0)} 1 * *"
    for one in dict.fromkeys((text, long)):
        with_at = _TIME_WITHOUT_AT.sub(r" at \1", one)
        for other in dict.fromkeys((one, with_at)):
            yield other
            yield f"every {other}"
            yield f"every day {other}"
            yield f"cron {other}"
            yield re.sub(r"(\d)([a-z])", r"\1 \2", other)
            yield re.sub(r"^(every \d+ [a-z]+?)s?$", r"\1s", other)
