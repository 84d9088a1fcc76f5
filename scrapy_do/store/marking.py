"""Keeps the mark of a database ahead of that of its data directory, by one step at most.

See Note [Directory and database know each other] in `core/pairing.py`.

Note [Checkpoints are ours]
    SQLite takes its log over into the file by itself, and a log that is lost afterwards
    would not be missed. So each take-over is made here, and the next generation, which
    stands in the log, follows it: a file without its log is always one generation behind.
"""

from collections.abc import Callable
from dataclasses import asdict

from sqlalchemy import Connection
from twisted.logger import Logger

from scrapy_do.core.pairing import Mark
from scrapy_do.errors import ScrapyDoError
from scrapy_do.store import tables
from scrapy_do.store.database import Database
from scrapy_do.store.inspection import MARK, SCOPE
from scrapy_do.store.upsert import replacing

COMMITS = 500
"""How many transactions SQLite's log may hold before it is taken over."""

GROWTH_BYTES = 4 * 2**20
"""By how much that log may grow before it is taken over."""

_meta = tables.meta


class Marking:
    """The mark of an open database, and whoever writes the one of its directory.

    `mark` is the one that the database has. Blocking. `advance` runs where transactions
    are run: in the thread that writes.
    """

    def __init__(self, database: Database, mark: Mark, write: Callable[[Mark], None]) -> None:
        self._log = Logger()
        self._database = database
        self._mark = mark
        self._write = write
        self._commits = 0
        self._log_bytes = 0
        self._is_advancing = False
        self._written: Mark | None = None
        database.checkpoint_ourselves(self._committed)

    def advance(self) -> None:
        """Take over the log, and go on to the next generation: in the database, then outside.

        Raises:
            ScrapyDoError, OSError: it did not come to that; the next call goes on with it.
        """
        self._is_advancing = True
        try:
            self._follow()
            self._database.checkpoint()
            mark = self._mark.next()
            self._database.transact_now(lambda connection: put_mark(connection, mark))
            self._mark = mark
            self._follow()
        finally:
            self._is_advancing = False
            self._commits = 0
            self._log_bytes = self._database.log_bytes()

    def _follow(self) -> None:
        """Write the mark of the directory, if it is behind."""
        if self._written != self._mark:
            self._write(self._mark)
            self._written = self._mark

    def _committed(self) -> None:
        """Count a transaction, and take the log over when it is long."""
        self._commits += 1
        if self._is_advancing or (
            self._commits < COMMITS and self._database.log_bytes() < self._log_bytes + GROWTH_BYTES
        ):
            return
        self.try_to_advance()  # what was committed is, whatever becomes of this

    def try_to_advance(self) -> None:
        """Go on to the next generation, later if the disk is full or the database locked."""
        try:
            self.advance()
        except (ScrapyDoError, OSError) as error:
            self._log.warn("the database is not marked: {problem}", problem=str(error))


def put_mark(connection: Connection, mark: Mark) -> None:
    """Write the mark of a database."""
    row = {"scope": SCOPE, "key": MARK, "value": asdict(mark)}
    connection.execute(replacing(connection.dialect.name, _meta, "value"), row)
