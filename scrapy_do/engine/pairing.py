"""Where a data directory and its database meet: opened together, or not at all.

See Note [Directory and database know each other] in `core/pairing.py`.
"""

import os
import socket
from collections.abc import Callable
from pathlib import Path

from twisted.logger import Logger

from scrapy_do.core.pairing import Contents, Mark, misfit
from scrapy_do.errors import ConfigError, DatabaseInUse, WrongDatabase
from scrapy_do.files.data_directory import DataDirectory
from scrapy_do.files.owner_lock import OwnerLock
from scrapy_do.store.copies import set_aside
from scrapy_do.store.database import Reactor, database_url, file_of
from scrapy_do.store.inspection import inspect_file
from scrapy_do.store.ownership import Owner
from scrapy_do.store.store import CHANGED, Pairing, Store, look, open_beside, open_store

PATIENCE_S = 5.0
"""How long a look waits for another program's lock."""

_log = Logger(namespace="scrapy_do.pairing")


class Pair:
    """A data directory that is open, and the database that it belongs to.

    `configured` is the address of the database, None for a file in the directory.
    """

    def __init__(self, directory: DataDirectory, configured: str | None) -> None:
        self.directory = directory
        self._where = configured or directory.database
        url = database_url(self._where)
        self.path = file_of(url)
        self.name = str(self.path or url.render_as_string(hide_password=True))
        self._lock = None if self.path is None else OwnerLock(Path(f"{self.path}.owner"))

    def lock(self) -> None:
        """Become the owner of the directory, and of the database if that is a file.

        One of PostgreSQL is locked as it is opened.

        Raises:
            DataDirectoryInUse, DatabaseInUse: another daemon owns it; the message says which.
            OSError: there cannot be a directory, or a file.
        """
        self.directory.open()
        owner = None if self._lock is None else self._lock.take()
        if owner is not None:
            raise DatabaseInUse(
                f"the database {self.path} belongs to another daemon that is running ({owner})"
            )

    def open(
        self,
        *,
        is_new: bool = False,
        reactor: Reactor | None = None,
        on_broken: Callable[[str], None] | None = None,
    ) -> Store:
        """Open the database, if it is the one of the directory.

        With `is_new` one that is not is set aside, and an empty one takes its place.

        Raises:
            WrongDatabase: it is not; nothing was changed.
            DatabaseInUse, NewerSchema, StoreUnavailable: as `open_store`.
            ConfigError: `is_new`, and only the configuration can name an empty database.
        """
        try:
            store = self._open(self._misfit, reactor=reactor, on_broken=on_broken)
        except WrongDatabase as error:
            if not is_new:
                raise
            _log.warn("started anew: {problem}", problem=error.problem)
            aside = None if self.path is None else set_aside(self.path)
            if aside is not None:
                _log.warn("the database was set aside as {path}", path=str(aside))
            self.directory.forget_mark()
            store = self._open(_must_be_empty, reactor=reactor, on_broken=on_broken)
        try:
            self.directory.announce()
            if self._lock is not None:
                self._lock.announce(host=socket.gethostname(), directory=str(self.directory.root))
        except BaseException:
            store.close()  # it has threads, which keep the process alive
            raise
        return store

    def take(self, first_mark: Callable[[Mark | None], Mark]) -> Store:
        """Open the database whatever it is, and make it the one of the directory.

        Raises:
            WrongDatabase: it is damaged, or none of this program.
            DatabaseInUse, NewerSchema, StoreUnavailable: as `open_store`.
        """
        return self._open(lambda _: None, first_mark=first_mark)

    def open_beside(self) -> Store:
        """Open the database while a daemon uses it, for a short transaction.

        Raises:
            StoreUnavailable, NewerSchema: it cannot be used.
        """
        return open_beside(self._where)

    def examine(self, *, is_ours: bool) -> str | None:
        """Say why a daemon would not start with the database; None if it would.

        It is read to its end. `is_ours` says that `lock` went well.

        Raises:
            WrongDatabase: it is damaged, or none of this program.
            StoreUnavailable, DatabaseInUse: it cannot be read now.
        """
        if self.path is None:
            contents = look(str(self._where))
            problem = "belongs to another program" if contents is None else self._misfit(contents)
        else:
            found = inspect_file(self.path, is_ours=is_ours, patience_s=PATIENCE_S, limit_s=None)
            problem = self._misfit(None if found is None else found.contents)
            if problem is None and found is not None and found.is_changed:
                problem = CHANGED
        return None if problem is None else f"the database {self.name} {problem}"

    def close(self) -> None:
        """Give database and directory up, once the database is closed."""
        if self._lock is not None:
            self._lock.close()
        self.directory.close()

    def _open(
        self,
        why_not: Callable[[Contents | None], str | None],
        *,
        first_mark: Callable[[Mark | None], Mark] = lambda mark: mark or Mark.new(),
        reactor: Reactor | None = None,
        on_broken: Callable[[str], None] | None = None,
    ) -> Store:
        owner = Owner(
            host=socket.gethostname(),
            directory=str(self.directory.root.absolute()),
            pid=os.getpid(),
        )
        return open_store(
            self._where,
            reactor=reactor,
            on_broken=on_broken,
            pairing=Pairing(
                owner=owner,
                misfit=why_not,
                write_mark=self.directory.write_mark,
                first_mark=first_mark,
            ),
        )

    def _misfit(self, contents: Contents | None) -> str | None:
        try:
            mark = self.directory.mark()
        except ValueError as error:
            return f"cannot be told from others: {self.directory.identity} is damaged ({error})"
        return misfit(
            directory=mark,
            database=contents,
            stored=self.directory.stored_archives(),
            has_files=self.directory.has_files(),
        )


def _must_be_empty(contents: Contents | None) -> None:
    if contents is not None and contents.has_tables:
        raise ConfigError(
            "scrapy-do", "database", "is not empty; to start anew, name a database that is"
        )
