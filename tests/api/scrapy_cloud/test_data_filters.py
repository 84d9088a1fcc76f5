"""Filters of records, and patterns that cannot keep the daemon busy."""

import json
import time
from typing import Any

import pytest

from scrapy_do.api.scrapy_cloud.data_filters import MOST_FILTERS, filters_of
from scrapy_do.api.scrapy_cloud.patterns import compile_pattern, matches
from scrapy_do.errors import BadArgument
from scrapy_do.web.params import Params


def passes(record: Any, *condition: Any, variant: str = "filter") -> bool:
    (found,) = filters_of(Params({variant: (json.dumps(condition),)}))
    return found.passes(record)


@pytest.mark.parametrize(
    ("value", "operator", "argument", "wanted"),
    [
        (5, "=", 5, True),
        (5, "=", 5.0, True),
        (5, "=", "5", True),
        ("5", "=", 5, True),
        (" 5.0 ", "=", 5, True),
        ("five", "=", 5, False),
        ("1_0", "=", 10, False),
        (True, "=", 1, False),
        (True, "=", True, True),
        ("True", "=", True, True),
        (1, "=", True, False),
        (None, "=", None, True),
        (None, "=", "", False),
        (None, "=", 0, False),
        ([1], "=", [1], False),
        (5, "!=", 6, True),
        (5, "!=", 5, False),
        ("five", "!=", 5, False),
        (5, ">", 4, True),
        (5, ">", 5, False),
        (5, ">=", 5, True),
        ("10", ">", 9, True),
        ("10", ">", "9", False),
        (5, "<", 5, False),
        (5, "<=", 5, True),
        ("a", "<", "b", True),
        (None, "<", 5, False),
        ({"a": 1}, "<", 5, False),
        ("price: 5", "contains", "ice", True),
        ("price: 5", "contains", "ICE", False),
        ("price: 5", "icontains", "ICE", True),
        (["rice", "beans"], "contains", "bean", True),
        (125, "contains", "25", True),
        ("abc", "matches", "a.c", True),
        ("xabc", "matches", "a.c", False),
        ("xabc", "matches", ".*a.c$", True),
        (5, "matches", "5", False),
    ],
)
def test_operators(value: Any, operator: str, argument: Any, wanted: bool) -> None:  # noqa: FBT001 - a table
    """Values are compared as the type of the argument; what makes no sense does not match."""
    arguments = [argument] if not isinstance(argument, list) else argument

    assert wanted == passes({"f": value}, "f", operator, arguments)


@pytest.mark.parametrize(
    ("value", "operator", "wanted"),
    [
        ("", "isempty", True),
        ([], "isempty", True),
        ({}, "isempty", True),
        (None, "isempty", True),
        (0, "isempty", False),
        (False, "isempty", False),
        ("", "isnotempty", False),
        (0, "isnotempty", True),
        (None, "exists", True),
        (1, "notexists", False),
    ],
)
def test_without_arguments(value: Any, operator: str, wanted: bool) -> None:  # noqa: FBT001 - a table
    """Some operators look at the value alone."""
    assert wanted == passes({"f": value}, "f", operator)
    assert wanted == passes({"f": value}, "f", operator, [])


def test_elements() -> None:
    """An array may have any of the arguments, or none of them."""
    record = {"f": [1, "a", [2]], "g": "a"}

    assert passes(record, "f", "haselement", ["x", "a"])
    assert passes(record, "f", "haselement", [[2]])
    assert not passes(record, "f", "haselement", ["x"])
    assert passes(record, "f", "hasnotelement", ["x"])
    assert not passes(record, "f", "hasnotelement", ["x", 1])
    assert not passes(record, "g", "haselement", ["a"])
    assert not passes(record, "g", "hasnotelement", ["b"])


@pytest.mark.parametrize(
    "operator",
    [
        *("=", "!=", ">", ">=", "<", "<=", "contains", "icontains", "matches"),
        *("exists", "isempty", "isnotempty", "haselement", "hasnotelement"),
    ],
)
def test_absent(operator: str) -> None:
    """A record without the field fails all operators but one; so does what is no object."""
    assert not passes({"g": 1}, "f", operator, ["x"])
    assert not passes([1], "f", operator, ["x"])
    assert passes({"g": 1}, "f", "notexists")


def test_variants() -> None:
    """Conditions may be for any or all of the members of an array."""
    record = {"f": [1, 5, 9], "g": 5}

    assert not passes(record, "f", ">", [4])
    assert passes(record, "f", ">", [4], variant="filterany")
    assert not passes(record, "f", ">", [4], variant="filterall")
    assert passes(record, "f", ">", [0], variant="filterall")
    assert passes(record, "g", ">", [4], variant="filterany")
    assert not passes({"f": []}, "f", ">", [4], variant="filterany")


def test_bare_argument() -> None:
    """A single argument needs no array."""
    assert passes({"f": 5}, "f", "=", 5)


def test_number_of_filters() -> None:
    """There is a limit to the number of filters."""
    one = '["f","exists"]'

    assert MOST_FILTERS == len(filters_of(Params({"filter": (one,) * MOST_FILTERS})))
    with pytest.raises(BadArgument, match="there are more than 50"):
        filters_of(Params({"filter": (one,) * (MOST_FILTERS + 1)}))


# --- patterns ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+b",
        "(a|aa)+b",
        "(a*)*",
        "a?" * 30 + "a" * 30,
        "((a{0,9}){0,9}){0,9}x",
        ".*.*.*x",
        r"(\w+\s?)+$",
        r"(a)\1",
        "(?P<n>a)(?P=n)",
        "(a)?(?(1)b|c)",
        "(?=(a+)+b)",
        "(?>(a+)+b)",
        "a" * 501,
        "(",
        "a{1,99999999999999999999}",
        "\\",
    ],
)
def test_refused_patterns(pattern: str) -> None:
    """Patterns that are wrong, or could try too many ways, are not run."""
    with pytest.raises(BadArgument, match="filter: "):
        compile_pattern("filter", pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "abc",
        ".*foo.*",
        r"https?://[^/]+/.*",
        r"\d{4}-\d\d?",
        "(?i)error|warning",
        "^a.b$",
        "(ab)+",
        "(?:a|b|cc)d",
        "a*?b",
        "a++b",
        "[a-z]{1,10}x",
    ],
)
def test_accepted_patterns(pattern: str) -> None:
    """Usual patterns are accepted, and quick on the worst of texts."""
    compiled = compile_pattern("filter", pattern)
    begun_s = time.process_time()

    for text in ("a" * 100_000, "ab" * 50_000, "https://" * 10_000, "0" * 100_000):
        matches(compiled, text)

    assert time.process_time() - begun_s < 1
