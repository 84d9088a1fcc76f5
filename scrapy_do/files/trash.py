"""What was removed for good reason, kept for a while: a mistake can be taken back.

An entry is named by when it was removed and by what it is, such as
`20261128T203301.000000Z-archive-<digest>`. Whoever wants it back renames it. Blocking: called
off the reactor thread; one process owns the directory.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from scrapy_do.files.disk import discard, empty, make_private, move
from scrapy_do.protocol.run_record import sync_directory

_STAMP = "%Y%m%dT%H%M%S.%fZ"
_EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trashed:
    """An entry: what it is, when it was removed, and when it goes for good at the earliest."""

    name: str
    removed_at: datetime
    goes_at: datetime


class Trash:
    """Files and trees that were removed, until they have lain there for `age`; see `empty`.

    It must lie on the file system of what is put into it.
    """

    def __init__(self, root: Path, *, age: timedelta, now: Callable[[], datetime]) -> None:
        self._root = make_private(root)
        self._expired = make_private(root / _EXPIRED)
        self._age = age
        self._now = now

    def put(self, path: Path, what: str) -> bool:
        """Move a file or tree here; when this returns that is on disk for good.

        `what` names it within the trash, without a slash.

        Returns:
            Whether there was something to move.
        """
        target = self._root / f"{self._now().astimezone(UTC).strftime(_STAMP)}-{what}"
        try:
            move(path, target)
        except FileNotFoundError:
            return False
        sync_directory(self._root)
        sync_directory(path.parent)
        return True

    def take_back(self, what: str, path: Path) -> bool:
        """Move the newest entry of a name to a path; return whether there was one."""
        found = [entry for entry, _, name in self._entries() if name == what]
        if not found:
            return False
        max(found).rename(path)
        sync_directory(path.parent)
        sync_directory(self._root)
        return True

    def empty(self) -> None:
        """Delete what has lain here for longer than it should, and nothing else."""
        empty(self._expired)
        oldest = self._now() - self._age
        for entry, removed_at, _ in list(self._entries()):
            if removed_at <= oldest:
                discard(entry, self._expired)

    def entries(self) -> list[Trashed]:
        """What lies here, the newest first."""
        found = [
            Trashed(name=name, removed_at=removed_at, goes_at=removed_at + self._age)
            for _, removed_at, name in self._entries()
        ]
        return sorted(found, key=lambda one: one.removed_at, reverse=True)

    def _entries(self) -> Iterator[tuple[Path, datetime, str]]:
        """Yield each entry with the time and the name it was given."""
        for path in self._root.iterdir():
            stamp, _, what = path.name.partition("-")
            try:
                removed_at = datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)
            except ValueError:
                continue
            yield path, removed_at, what
