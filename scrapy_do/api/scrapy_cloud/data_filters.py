"""Filters of records and of values in collections: `["field","operator",[arguments]]`.

A record without the field passes `notexists` only. The stored value is compared as a value
of the argument's type; where that makes no sense it does not match.
Source: Scrapy Cloud items API, `filter`, `filterany`, `filterall`.
"""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scrapy_do.api.scrapy_cloud.formats import plain_text
from scrapy_do.api.scrapy_cloud.patterns import compile_pattern, matches
from scrapy_do.errors import BadArgument
from scrapy_do.web.params import Params
from scrapy_do.web.upload import parse_json

MOST_FILTERS = 50
_NUMBER = re.compile(r"\s*[+-]?(\d{1,300}(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?\s*", re.ASCII)
_WORDS = {"true": True, "false": False}

Value = Any
"""A decoded JSON value."""

Test = Callable[[Value], bool]
Over = Callable[[Sequence[bool]], bool]

_VARIANTS: Mapping[str, Over | None] = {"filter": None, "filterany": any, "filterall": all}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """One condition. `over` applies it to the members of a list: `any` or `all` of them."""

    field: str
    test: Test
    passes_absent: bool = False
    over: Over | None = None

    def passes(self, record: Value) -> bool:
        """Whether a record meets the condition."""
        if not isinstance(record, dict) or self.field not in record:
            return self.passes_absent
        value = record[self.field]
        if self.over is None or not isinstance(value, list):
            return self.test(value)
        return self.over([self.test(member) for member in value])


def filters_of(params: Params) -> tuple[Filter, ...]:
    """The filters of a request; a record must pass them all.

    Raises:
        BadArgument: one of them means nothing.
    """
    found = tuple(
        _filter(name, text, over)
        for name, over in _VARIANTS.items()
        for text in params.texts(name)
        if text
    )
    if len(found) > MOST_FILTERS:
        raise BadArgument("filter", f"there are more than {MOST_FILTERS}")
    return found


def _filter(name: str, text: str, over: Over | None) -> Filter:
    match parse_json(text, name):
        case [str(field), str(word), *rest]:
            pass
        case _:
            raise BadArgument(name, 'must be ["field","operator",[arguments]]')
    given = rest[0] if rest else []
    arguments = given if isinstance(given, list) else [given]
    if word == "notexists":
        return Filter(field=field, test=lambda _: False, passes_absent=True)
    if word in _PLAIN:
        return Filter(field=field, test=_PLAIN[word], over=over)
    if word not in _WITH_ARGUMENTS:
        known = ", ".join([*_WITH_ARGUMENTS, *_PLAIN, "notexists"])
        raise BadArgument(name, f"{word[:60]!r} is no operator; there are {known}")
    if not arguments:
        raise BadArgument(name, f"the operator {word} needs an argument")
    return Filter(field=field, test=_WITH_ARGUMENTS[word](name, arguments), over=over)


# --- operators ---------------------------------------------------------------------------------

Make = Callable[[str, Sequence[Value]], Test]
"""A test for the arguments of an operator; the text is the parameter's name, for messages."""


class _Incomparable(Exception):
    """The value cannot be one of the argument's type."""


def _compared(compare: Callable[[Value, Value], bool]) -> Make:
    def make(_name: str, arguments: Sequence[Value]) -> Test:
        wanted = arguments[0]

        def test(value: Value) -> bool:
            try:
                return compare(_as(value, wanted), wanted)
            except (TypeError, _Incomparable):
                return False

        return test

    return make


def _as(value: Value, wanted: Value) -> Value:
    """A stored value as one of the type of an argument."""
    match wanted:
        case bool():
            return _as_word(value)
        case int() | float():
            return _as_number(value)
        case str():
            return _as_text(value)
    if type(value) is not type(wanted):
        raise _Incomparable
    return value


def _as_word(value: Value) -> bool:
    found = _WORDS.get(value.lower()) if isinstance(value, str) else value
    if not isinstance(found, bool):
        raise _Incomparable
    return found


def _as_number(value: Value) -> int | float:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Incomparable
    return value


def _as_text(value: Value) -> str:
    if value is None or isinstance(value, list | dict):
        raise _Incomparable
    return plain_text(value)


def _containing(fold: Callable[[str], str]) -> Make:
    def make(_name: str, arguments: Sequence[Value]) -> Test:
        wanted = fold(plain_text(arguments[0]))

        def test(value: Value) -> bool:
            members = value if isinstance(value, list) else [value]
            return any(wanted in fold(plain_text(member)) for member in members)

        return test

    return make


def _matching(name: str, arguments: Sequence[Value]) -> Test:
    pattern = compile_pattern(name, arguments[0])
    return lambda value: isinstance(value, str) and matches(pattern, value)


def _has(_name: str, arguments: Sequence[Value]) -> Test:
    return lambda value: isinstance(value, list) and any(one in value for one in arguments)


def _has_not(_name: str, arguments: Sequence[Value]) -> Test:
    return lambda value: isinstance(value, list) and not any(one in value for one in arguments)


def _is_empty(value: Value) -> bool:
    return value is None or value in ("", [], {})


_PLAIN: Mapping[str, Test] = {
    "exists": lambda _: True,
    "isempty": _is_empty,
    "isnotempty": lambda value: not _is_empty(value),
}

_WITH_ARGUMENTS: Mapping[str, Make] = {
    "=": _compared(operator.eq),
    "!=": _compared(operator.ne),
    ">": _compared(operator.gt),
    ">=": _compared(operator.ge),
    "<": _compared(operator.lt),
    "<=": _compared(operator.le),
    "contains": _containing(lambda text: text),
    "icontains": _containing(str.casefold),
    "matches": _matching,
    "haselement": _has,
    "hasnotelement": _has_not,
}
