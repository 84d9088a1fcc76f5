"""Which items are wanted by what a field holds."""

from typing import Any

import pytest

from scrapy_do.core.item_filter import ItemFilter, Match


@pytest.mark.parametrize(
    ("match", "text", "wanted"),
    [
        (Match.HAS, "", ["Äpfel", "", None, 0, 12, False, [], {"b": "ä"}]),
        (Match.LACKS, "", ["-"]),
        (Match.EMPTY, "", ["", None, []]),
        (Match.IS, "12", [12]),
        (Match.IS, "", [""]),
        (Match.IS, "null", [None]),
        (Match.IS, "äpfel", []),
        (Match.CONTAINS, "äPF", ["Äpfel"]),
        (Match.CONTAINS, "ä", ["Äpfel", {"b": "ä"}]),
        (Match.CONTAINS, "1", [12]),
    ],
)
def test_items_by_a_field(match: Match, text: str, wanted: list[Any]) -> None:
    """A text is found in any case, a number by its digits; empty is not the same as not there."""
    values: list[Any] = ["Äpfel", "", None, 0, 12, False, [], {"b": "ä"}]
    items: list[dict[str, Any]] = [
        *({"a": value, "other": "ä"} for value in values),
        {"other": "ä 12"},
    ]
    filtered = ItemFilter(name="a", match=match, text=text)

    assert [item.get("a", "-") for item in items if filtered.wants(item)] == wanted
