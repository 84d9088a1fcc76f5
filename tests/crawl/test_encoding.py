"""What projects hand over becomes JSON, or an error that says what does not."""

import array
import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import ipaddress
import json
import pathlib
import types
import uuid
from typing import Any

import attrs
import pytest
import scrapy

from scrapy_do.crawl.encoding import CannotEncodeError, encode_item, text_of


class Colour(enum.Enum):
    RED = 1


class Textless:
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Product(scrapy.Item):
    name = scrapy.Field()
    price = scrapy.Field(serializer=lambda value: f"{value} EUR")


@dataclasses.dataclass
class Part:
    id: object = None
    price: object = dataclasses.field(default=2, metadata={"serializer": str})


@attrs.define
class Tag:
    id: object = None


LOOP: dict[str, object] = {}
LOOP["self"] = LOOP
ID = uuid.UUID(int=7)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (ID, str(ID)),
        (pathlib.PurePosixPath("/a/b"), "/a/b"),
        (ipaddress.ip_address("::1"), "::1"),
        (ipaddress.ip_network("10.0.0.0/8"), "10.0.0.0/8"),
        (decimal.Decimal("1.50"), "1.50"),
        (fractions.Fraction(1, 3), "1/3"),
        (dt.date(2026, 11, 28), "2026-11-28"),
        (dt.timedelta(hours=1), "1:00:00"),
        (Colour.RED, "Colour.RED"),
        ("ž".encode(), "ž"),
        (float("nan"), None),
        ([float("inf"), 1.5, 10**30], [None, 1.5, 10**30]),
        ("half \udc80", "half \udc80"),
        ("a\nb", "a\nb"),
        (collections.deque([ID]), [str(ID)]),
        (frozenset([1]), [1]),
        (types.MappingProxyType({"a": ID}), {"a": str(ID)}),
        (array.array("i", [1, 2]), [1, 2]),
        ({ID: 1, b"b": 2, 3: 4, ("t", 1): 5}, {str(ID): 1, "b": 2, "3": 4, "('t', 1)": 5}),
        (Product(name=ID, price=3), {"name": str(ID), "price": 3}),
        ([Part(id=Tag(id=1))], [{"id": {"id": 1}, "price": 2}]),
    ],
)
def test_values(value: object, expected: object) -> None:
    """A value is what a feed would hold, its own text where a feed gives up, or null."""
    line = encode_item({"value": value})

    assert b"\n" not in line
    assert {"value": expected, "_type": "dict"} == json.loads(line)


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (Product(price=3), {"price": "3 EUR", "_type": "Product"}),
        (Part(id=1), {"id": 1, "price": "2", "_type": "Part"}),
        (Tag(id=1), {"id": 1, "_type": "Tag"}),
        ({"_type": "mine", "a": 1}, {"_type": "mine", "a": 1}),
        (collections.OrderedDict(a=1), {"a": 1, "_type": "OrderedDict"}),
    ],
)
def test_items(item: object, expected: dict[str, object]) -> None:
    """Fields go through their serializers; `_type` is the class, unless the item has its own."""
    assert expected == json.loads(encode_item(item))


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"a": 1, "b": object()}, r"^dict \{'a': 1, .*'b' .*type object"),
        ({"a": 1, "b": LOOP}, "'b' .*contains itself"),
        ({"a": {"deep": [b"\xff"]}}, "'a' .*decode"),
        ({"huge": 10**5000}, "'huge' .*4300 digits"),
        ({"a": Textless()}, "'a' .*RuntimeError"),
        ({"a": "x" * (17 << 20), "b": 1}, "'a' .*bytes"),
        (
            Product(name="chair", price=Textless()),
            "^Product .*'name'.*'price' .*serializer",
        ),
        (Part(id=complex), "^Part .*'id'"),
        (Part(id=lambda: 1), "'id'"),
    ],
)
def test_what_cannot_be_kept(item: object, words: str) -> None:
    """The error names the item and the field, and says what is wrong with it."""
    with pytest.raises(CannotEncodeError, match=words):
        encode_item(item)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("finished", "finished"),
        (ValueError("x"), "x"),
        (b"done \xff", r"done \xff"),
        (None, "None"),
        ("half \udc80 a pair\0", r"half \udc80 a pair\x00"),
        (Textless(), "<Textless without a text: RuntimeError>"),
        (Colour.RED, "Colour.RED"),
    ],
)
def test_the_text_of_anything(value: Any, expected: str) -> None:
    """Whatever it is, its text can be written in UTF-8 and stored in a database."""
    assert expected == text_of(value)
