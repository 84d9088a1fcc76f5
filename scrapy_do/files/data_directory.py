"""The data directory: where everything lies, who owns it, and which database is its own."""

import json
import os
import stat
from contextlib import suppress
from pathlib import Path

from scrapy_do.core.pairing import Mark
from scrapy_do.errors import DataDirectoryInUse
from scrapy_do.files.disk import make_private
from scrapy_do.files.owner_lock import OwnerLock
from scrapy_do.protocol.regular_file import make_usable, read_regular
from scrapy_do.protocol.run_record import sync_directory

_LARGEST_MARK_BYTES = 4096
_OURS = (
    *("*", "archives/*", "jobs/*", "jobs/attempts/*", "runs/*", "spider-data/*"),
    *("spider-data/projects/*", "trash/*", "trees/*", "trees/*/*", "trees/*/*/*"),
)
"""The directories that all runs share, those above before those in them."""


class DataDirectory:
    """A directory that one daemon owns from `open` to `close`.

    `database` is the file of the SQLite database, `reports_socket` the name of the local
    socket for reports of crawls; the other paths are the roots of the file stores.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.database = root / "scrapy-do.db"
        self.reports_socket = root / "reports.sock"
        self.archives = root / "archives"
        self.artifacts = root
        self.trees = root / "trees"
        self.runs = root / "runs"
        self.spider_data = root / "spider-data"
        self.trash = root / "trash"
        self.listings = root / "listings"
        self.identity = root / "identity"
        self._accounts = root / "accounts-changed"
        self._lock = OwnerLock(root / "owner.lock")

    def open(self) -> None:
        """Make the directory if it is not there, and become its owner.

        Raises:
            DataDirectoryInUse: another daemon owns it; the message says which.
            OSError: it cannot be made or written.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        mode = stat.S_IMODE(self.root.stat().st_mode)
        make_private(self.root)
        # What is in a closed directory is seen only once it is open: `/proc` is nobody's mistake.
        is_strange = not self.identity.exists() and any(self.root.iterdir())
        if is_strange:
            self.root.chmod(mode)
        owner = self._lock.take()
        if owner is not None:
            raise DataDirectoryInUse(
                f"{self.root} belongs to another daemon that is running ({owner})"
            )
        if not is_strange:
            self.open_again()

    def announce(self) -> None:
        """Let others read who owns the directory, and make what is always there."""
        self._lock.announce()
        make_private(self.archives)
        make_private(self.runs)

    def open_again(self) -> bool:
        """Make usable what a crawl has closed to all others; return whether there was anything."""
        opened = make_usable(self.root)
        for place in _OURS:
            for path in self.root.glob(place):
                with suppress(OSError):  # it has gone, or is not ours
                    opened |= make_usable(path)
        return opened

    def close(self) -> None:
        """Give the directory up."""
        self._lock.close()

    # --- users and tokens, see Note [A change beside a running daemon] in `engine/accounts.py`

    def note_accounts(self) -> None:
        """Say that users or tokens have changed."""
        self._accounts.touch(mode=0o600)
        os.utime(self._accounts)

    def accounts_noted(self) -> int | None:
        """When that was said last, as a number; None: never. Cheap."""
        try:
            return self._accounts.stat().st_mtime_ns
        except OSError:
            return None

    # --- its database, see Note [Directory and database know each other] -----------------------

    def mark(self) -> Mark | None:
        """The mark of the directory; None if it never had a database.

        Raises:
            ValueError: it cannot be read.
        """
        try:
            written = json.loads(read_regular(self.identity, _LARGEST_MARK_BYTES))
            return Mark(identity=str(written["identity"]), generation=int(written["generation"]))
        except FileNotFoundError:
            return None
        except (KeyError, TypeError, OSError, RecursionError) as error:
            raise ValueError(str(error)) from error

    def write_mark(self, mark: Mark) -> None:
        """Set the mark; when this returns it is on the disk for good."""
        unfinished = self.identity.with_suffix(".unfinished")
        with unfinished.open("w") as file:
            json.dump({"identity": mark.identity, "generation": mark.generation}, file)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(self.identity)
        sync_directory(self.root)

    def forget_mark(self) -> None:
        """Be a directory that never had a database."""
        self.identity.unlink(missing_ok=True)
        sync_directory(self.root)

    def stored_archives(self) -> frozenset[str]:
        """The digests of the archives that lie here."""
        return frozenset(path.stem for path in self.archives.glob("packed/*.zip"))

    def has_files(self) -> bool:
        """Whether anything lies here that a database knows of."""
        places = (
            *("archives/packed/*.zip", "jobs/[0-9a-f][0-9a-f]/*"),
            *("runs/active/*", "spider-data/projects/*"),
        )
        return any(next(self.root.glob(place), None) is not None for place in places)
