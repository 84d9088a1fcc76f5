"""Which items of a job are wanted: by what one of their fields holds."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Match(StrEnum):
    """What a field must be for its item to be wanted."""

    CONTAINS = "contains"
    IS = "is"
    EMPTY = "empty"
    HAS = "has"
    LACKS = "lacks"


_EMPTY: tuple[Any, ...] = (None, "", [], {})


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFilter:
    """Items of which the field `name` fits.

    `text` is looked for in its text without regard to case, or is the whole of it. The text of
    what is no text is its JSON.
    """

    name: str
    match: Match
    text: str = ""

    def wants(self, item: Mapping[str, Any]) -> bool:
        """Whether an item fits."""
        match self.match:
            case Match.HAS:
                return self.name in item
            case Match.LACKS:
                return self.name not in item
            case Match.EMPTY:
                return self.name in item and item[self.name] in _EMPTY
            case Match.IS:
                return self.name in item and text_of(item[self.name]) == self.text
            case Match.CONTAINS:
                text = text_of(item[self.name]) if self.name in item else ""
                return self.name in item and self.text.casefold() in text.casefold()


def text_of(value: Any) -> str:  # noqa: ANN401 - a JSON value
    """A value as people read it: a text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
