"""Regular expressions of clients, whose worst case is known before they are run.

Note [Why patterns are judged]
    Python's matcher tries one way after the other, and nothing can interrupt it: a short
    pattern such as `(a+)+b` keeps the whole process busy for hours. So the ways that a
    pattern may have to try on the longest text are counted from its parts: a repetition of
    n to m has m - n + 1 ways, and those of its body to the power of m; an alternation has
    the sum of its branches; what follows multiplies. What may have too many is refused.
"""

import re
from collections.abc import Iterable
from importlib import import_module
from typing import Any

from scrapy_do.errors import BadArgument

# Not in the stubs of the standard library: by name.
codes = import_module("re._constants")
parser = import_module("re._parser")

LONGEST_PATTERN = 500  # characters
LONGEST_TEXT = 2000  # characters; of a longer text only the beginning is looked at
MOST_WAYS = LONGEST_TEXT**2 * 4

_WITHOUT_CHOICE = frozenset(
    {codes.LITERAL, codes.NOT_LITERAL, codes.ANY, codes.AT, codes.IN, codes.CATEGORY, codes.RANGE}
)
_REPEATS = frozenset({codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT})
_LOOKS = frozenset({codes.ASSERT, codes.ASSERT_NOT})


def compile_pattern(name: str, text: object) -> re.Pattern[str]:
    """A pattern that cannot keep us busy.

    Raises:
        BadArgument: it is no regular expression, or has too many ways to match; with `name`.
    """
    if not isinstance(text, str) or len(text) > LONGEST_PATTERN:
        raise BadArgument(name, f"a pattern is a text of at most {LONGEST_PATTERN} characters")
    try:
        ways = _ways(parser.parse(text))
        pattern = re.compile(text)
    except (re.error, RecursionError, OverflowError):
        raise BadArgument(name, f"{text[:60]!r} is no regular expression") from None
    if ways > MOST_WAYS:
        raise BadArgument(name, f"the pattern {text[:60]!r} could take too long")
    return pattern


def matches(pattern: re.Pattern[str], text: str) -> bool:
    """Whether a text begins with what a pattern describes."""
    return pattern.match(text, 0, LONGEST_TEXT) is not None


def _ways(parts: Iterable[tuple[Any, Any]]) -> int:
    """How many ways a sequence may be tried at most; beyond the limit just more than it."""
    total = 1
    for code, argument in parts:
        total *= _ways_of(code, argument)
        if total > MOST_WAYS:
            return MOST_WAYS + 1
    return total


def _ways_of(code: Any, argument: Any) -> int:  # noqa: ANN401, PLR0911 - the parser's own constants, one by one
    if code in _WITHOUT_CHOICE:
        return 1
    if code in _REPEATS:
        least, most, body = argument
        most = min(int(most), LONGEST_TEXT)
        within = _ways(body)
        if within > 1 and most > MOST_WAYS.bit_length():
            return MOST_WAYS + 1
        return (most - min(int(least), most) + 1) * int(within**most)
    if code is codes.SUBPATTERN:
        return _ways(argument[-1])
    if code is codes.BRANCH:
        return sum(_ways(branch) for branch in argument[1])
    if code in _LOOKS:
        return _ways(argument[1])
    if code is codes.ATOMIC_GROUP:
        return _ways(argument)
    return MOST_WAYS + 1  # references to groups and conditions on them
