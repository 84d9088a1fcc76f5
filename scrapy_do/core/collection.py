"""Collections: named sets of JSON objects by key that crawls of a project share.

Source: Scrapy Cloud collections API.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

KEPT_VERSIONS = 3
KEPT_FOR = timedelta(days=30)

_LAST_CHARACTER = chr(0x10FFFF)
_BEFORE_SURROGATES, _AFTER_SURROGATES = chr(0xD7FF), chr(0xE000)


class CollectionKind(StrEnum):
    """What becomes of the values: kept, expiring after a month, in several versions, or both."""

    STORE = "s"
    CACHED = "cs"
    VERSIONED = "vs"
    VERSIONED_CACHED = "vcs"

    @property
    def expires(self) -> bool:
        """Whether values go after a month."""
        return self in {CollectionKind.CACHED, CollectionKind.VERSIONED_CACHED}

    @property
    def versions(self) -> int:
        """How many versions of a value are kept."""
        return KEPT_VERSIONS if self.value.startswith("v") else 1


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class CollectionName:
    """Which collection: kinds have names of their own."""

    project: int
    kind: CollectionKind
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredValue:
    """A value: its key, when it was written in ms, and its JSON text, which has no key."""

    key: str
    written_ms: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRange:
    """Which values: keys from `first` (inclusive) and behind `after`, to before `before`.

    `first_ms` is inclusive, `before_ms` exclusive: of the times of writing. Of several
    versions the newest of that time counts. `keys` are the only ones wanted.
    """

    first: str = ""
    after: str | None = None
    before: str | None = None
    first_ms: int | None = None
    before_ms: int | None = None
    keys: tuple[str, ...] | None = None


def following(prefix: str) -> str | None:
    """The first text behind all that begin with a prefix; None when nothing is behind them."""
    stem = prefix.rstrip(_LAST_CHARACTER)
    if not stem:
        return None
    last = stem[-1]
    # There are no texts with halves of surrogate pairs.
    succeeding = _AFTER_SURROGATES if last == _BEFORE_SURROGATES else chr(ord(last) + 1)
    return stem[:-1] + succeeding
