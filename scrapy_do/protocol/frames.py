"""Reading a frame, one JSON object, field by field and type by type."""

import json
import math
import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from uuid import UUID

from scrapy_do.protocol.run_record import LATEST_MS

JSON = Any
"""A decoded JSON value."""

DEEPEST = 32
"""How deep values may be nested that are stored and shown: many a reader of JSON gives up."""

_LARGEST_COUNT = 2**48
_LARGEST = 2**63 - 1
_NOT_IN_WORDS = re.compile("[\0\ud800-\udfff]")

_Word = TypeVar("_Word", bound=StrEnum)


class BadFrame(ValueError):
    """Bytes or fields that are not one of the values here; the message says which field."""


class FrameReader:
    """One JSON object, read field by field; every reader raises `BadFrame` with the name."""

    def __init__(self, what: str, content: Mapping[str, JSON]) -> None:
        self._what = what
        self._content = content

    @classmethod
    def of_frame(cls, what: str, frame: bytes) -> "FrameReader":
        """Read the object; `what` names it in errors."""
        try:
            content = json.loads(frame, parse_constant=lambda _: None)
        except (ValueError, RecursionError) as error:
            raise BadFrame(f"{what}: not JSON: {error}") from error
        if not isinstance(content, dict):
            raise BadFrame(f"{what}: not a JSON object")
        return cls(what, content)

    def refuse(self, name: str) -> NoReturn:
        """Say that a field is not what it must be."""
        raise BadFrame(f"{self._what}: {name} is missing or not of its type")

    def text(self, name: str) -> str:
        """A text."""
        value = self._content.get(name)
        return value if isinstance(value, str) else self.refuse(name)

    def text_or_none(self, name: str) -> str | None:
        """A text, or null."""
        return None if self._content.get(name) is None else self.text(name)

    def words_or_none(self, name: str) -> str | None:
        """A text such as every database can hold, or null."""
        value = self.text_or_none(name)
        return value if value is None or not _NOT_IN_WORDS.search(value) else self.refuse(name)

    def word(self, name: str, kind: type[_Word]) -> _Word:
        """One of the words of an enumeration."""
        value = self.text(name)
        return kind(value) if value in set(kind) else self.refuse(name)

    def path_or_none(self, name: str) -> Path | None:
        """A path, or null."""
        return None if self._content.get(name) is None else Path(self.text(name))

    def count(self, name: str) -> int:
        """How many of something, such that the sum over all jobs is a number, too."""
        value = self.whole(name)
        return value if 0 <= value <= _LARGEST_COUNT else self.refuse(name)

    def moment_ms(self, name: str) -> int:
        """Milliseconds since the epoch, of a year that dates have."""
        value = self.whole(name)
        return value if 0 <= value <= LATEST_MS else self.refuse(name)

    def whole(self, name: str) -> int:
        """A whole number, such as every database can hold."""
        value = self._content.get(name)
        return value if type(value) is int and abs(value) <= _LARGEST else self.refuse(name)

    def whole_or_none(self, name: str) -> int | None:
        """A whole number, or null."""
        return None if self._content.get(name) is None else self.whole(name)

    def number(self, name: str) -> float:
        """A number."""
        value = self._content.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.refuse(name)
        return float(value)

    def flag(self, name: str) -> bool:
        """True or false."""
        value = self._content.get(name)
        return value if isinstance(value, bool) else self.refuse(name)

    def uuid(self, name: str) -> UUID:
        """A UUID."""
        try:
            return UUID(self.text(name))
        except ValueError:
            self.refuse(name)

    def mapping(self, name: str) -> Mapping[str, JSON]:
        """An object of anything."""
        value = self._content.get(name)
        return value if isinstance(value, dict) else self.refuse(name)

    def values(self, name: str) -> Mapping[str, JSON]:
        """An object of values such as every database can hold, and every client can read."""
        value = self.mapping(name)
        return value if _is_plain(value, DEEPEST) else self.refuse(name)

    def texts(self, name: str) -> Mapping[str, str]:
        """An object of texts."""
        value = self.mapping(name)
        return value if all(isinstance(text, str) for text in value.values()) else self.refuse(name)

    def texts_in_order(self, name: str) -> tuple[str, ...]:
        """An array of texts."""
        value = self._content.get(name)
        if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
            self.refuse(name)
        return tuple(value)


def _is_plain(value: JSON, depth: int) -> bool:
    match value:
        case str():
            return not _NOT_IN_WORDS.search(value)
        case float():
            return math.isfinite(value)
        case dict():
            names = all(_is_plain(name, depth) for name in value)
            return depth > 0 and names and all(_is_plain(one, depth - 1) for one in value.values())
        case list():
            return depth > 0 and all(_is_plain(one, depth - 1) for one in value)
    return True
