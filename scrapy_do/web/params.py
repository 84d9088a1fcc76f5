"""Typed reading of what a client sent: query, form fields, file parts, JSON object.

A name that is in the body hides the same name in the query. Of a repeated single-valued
argument the first wins (Source: Scrapy Do 0.5). An argument with an empty value is
present; what a value may hold is for the rules of the core to say. The line break that ends
a file is no part of a value that curl reads from one (`-F name=<file`); what a JSON object
holds is taken as it is.
"""

import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Self, TypeVar, overload
from uuid import UUID

from scrapy_do.errors import BadArgument
from scrapy_do.web.upload import Fields, Form, UploadedFile

Default = TypeVar("Default")

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)  # no limit of ours has more digits
_NUMBER = re.compile(
    r"[+-]?[0-9]{1,15}(\.[0-9]{1,30})?(e[+-]?[0-9]{1,3})?", re.ASCII | re.IGNORECASE
)
_UUID = re.compile(
    r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII
)
_TRUE = frozenset({"1", "true", "yes", "on", "y", "t"})
_FALSE = frozenset({"", "0", "false", "no", "off", "n", "f"})
FLAG_WORDS = (*sorted(_TRUE), *sorted(_FALSE))
"""How a yes or no may be spelled, in any case."""

_SHOWN_CHARACTERS = 60
_LOOKS_LIKE = 0.85
"""How alike two names are when one may be a slip for the other, from 0 to 1 (`difflib`)."""


def is_on(texts: Iterable[str]) -> bool:
    """Whether an argument is given, and says anything but no."""
    return any(text.lower() not in _FALSE for text in texts)


class Params:
    """The arguments of one request. All readers raise `BadArgument` with the name."""

    def __init__(
        self,
        fields: Fields,
        files: Mapping[str, UploadedFile] | None = None,
        document: Mapping[str, Any] | None = None,
    ) -> None:
        self.fields: Fields = MappingProxyType(dict(fields))
        self.files: Mapping[str, UploadedFile] = MappingProxyType(dict(files or {}))
        self._document: Mapping[str, Any] = document or {}

    @classmethod
    def of(cls, query: Fields, form: Form) -> "Params":
        """The arguments in the query and in the body.

        Raises:
            BadArgument: the body is JSON but no object.
        """
        document = {} if form.document is None else form.document
        if not isinstance(document, dict):
            raise BadArgument("JSON", "must be an object, its members are the arguments")
        return cls({**query, **form.fields, **_members(document)}, form.files, document)

    def __contains__(self, name: object) -> bool:
        return name in self.fields or name in self.files

    def with_defaults(self, fields: Fields) -> Self:
        """The same arguments, and these where nothing is said."""
        return type(self)({**fields, **self.fields}, self.files, self._document)

    def require(self, *names: str) -> None:
        """Raise one `BadArgument` that names all missing ones."""
        missing = [name for name in names if name not in self]
        if missing:
            raise BadArgument(", ".join(missing))

    def refuse_misspelled(self, *known: str) -> None:
        """Raise `BadArgument` for a name that is none of these but looks like one.

        A name that looks like none is let pass: it may be meant for another version.
        """
        for name in self.fields.keys() - known:
            spelled = name.lower().replace("_", "-")
            for meant in difflib.get_close_matches(spelled, known, n=1, cutoff=_LOOKS_LIKE):
                raise BadArgument(name[:_SHOWN_CHARACTERS], f"is not known; did you mean {meant}?")

    def text(self, name: str) -> str:
        """An argument that must be there."""
        self.require(name)
        value = self.optional_text(name)
        if value is None:
            raise BadArgument(name, "must be a field, not a file")
        return value

    @overload
    def optional_text(self, name: str, default: str) -> str: ...
    @overload
    def optional_text(self, name: str, default: None = None) -> str | None: ...
    def optional_text(self, name: str, default: str | None = None) -> str | None:
        """An argument that may be absent."""
        if isinstance(self._document.get(name), list | dict):
            raise BadArgument(name, "must be one value, not a list or an object")
        values = self.texts(name)
        return values[0] if values else default

    def json_text(self, name: str, default: str) -> str:
        """An argument that is itself JSON: its text, or a whole member of a JSON body."""
        member = self._document.get(name, "")
        return self.optional_text(name, default) if isinstance(member, str) else _member(member)

    def texts(self, name: str) -> tuple[str, ...]:
        """All values of a repeated argument, in their order."""
        values = self.fields.get(name, ())
        return values if name in self._document else tuple(map(_without_line_break, values))

    def integer(self, name: str, *, minimum: int, maximum: int, default: Default) -> int | Default:
        """A whole number within limits, both included; to JSON 1.0 is one, too."""
        text = self.optional_text(name)
        member = self._document.get(name)
        if isinstance(member, float) and member.is_integer():
            text = str(int(member))
        if text is None:
            return default
        if not _INTEGER.fullmatch(text) or not minimum <= int(text) <= maximum:
            wanted = f"a whole number from {minimum} to {maximum}"
            raise BadArgument(name, f"must be {wanted}, not {_shown(text)}")
        return int(text)

    def number(
        self, name: str, *, minimum: float, maximum: float, default: Default
    ) -> float | Default:
        """A number within limits, both included, as JSON and people write it: 5, 0.5, 5e-1."""
        text = self.optional_text(name)
        if text is None:
            return default
        if not _NUMBER.fullmatch(text) or not minimum <= float(text) <= maximum:
            wanted = f"a number from {minimum} to {maximum}"
            raise BadArgument(name, f"must be {wanted}, not {_shown(text)}")
        return float(text)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A yes or no in one of the usual spellings, in any case."""
        text = self.optional_text(name)
        if text is None:
            return default
        if text.lower() in _TRUE:
            return True
        if text.lower() in _FALSE:
            return False
        raise BadArgument(name, f"must be 1 or 0, not {_shown(text)}")

    def uuid(self, name: str) -> UUID:
        """An identifier that must be there, exactly so."""
        self.text(name)
        text = self.fields[name][0]
        found = parse_uuid(text)
        if found is None:
            raise BadArgument(name, f"must be a UUID, not {_shown(text)}")
        return found

    def choice(self, name: str, options: Sequence[str], *, default: Default) -> str | Default:
        """One of a few words, spelled exactly so."""
        text = self.optional_text(name)
        if text is None:
            return default
        if text not in options:
            raise BadArgument(name, f"must be one of {', '.join(options)}, not {_shown(text)}")
        return text

    def timestamp(self, name: str, *, default: Default) -> datetime | Default:
        """An instant in ISO 8601 with its offset; in UTC."""
        text = self.optional_text(name)
        if text is None:
            return default
        try:
            instant = datetime.fromisoformat(text.replace(" ", "+"))
            if instant.tzinfo is not None:
                return instant.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        example = "2026-06-03T10:00:00Z"
        raise BadArgument(name, f"must be a time with its offset as {example}, not {_shown(text)}")

    def file(self, name: str) -> UploadedFile:
        """A file part that must be there."""
        self.require(name)
        if name not in self.files:
            raise BadArgument(name, f"must be a file, as in curl -F {name}=@FILE")
        return self.files[name]


def _without_line_break(text: str) -> str:
    return text.removesuffix("\n").removesuffix("\r")


def parse_uuid(text: str) -> UUID | None:
    """A UUID with or without hyphens; None for anything else, in whatever disguise."""
    return UUID(text) if _UUID.fullmatch(text) else None


def _shown(text: str) -> str:
    """What a client sent, short enough and safe for a message."""
    cut = text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."
    return json.dumps(cut)


def _members(document: Mapping[str, Any]) -> Fields:
    """A JSON object as fields: lists repeat, null is absent, nested values are JSON text."""
    fields = {}
    for name, value in document.items():
        values = value if isinstance(value, list) else [] if value is None else [value]
        if values:
            fields[name] = tuple(_member(one) for one in values)
    return fields


def _member(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
