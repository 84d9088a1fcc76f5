"""What an operator looks up about the daemon itself: options, storage, what is kept how long."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from scrapy_do.config import Config
from scrapy_do.core.accounts import Accounts, AuditLine
from scrapy_do.core.project import Interpreter
from scrapy_do.files.trash import Trash, Trashed
from scrapy_do.store.copies import KeptCopy, kept_copies
from scrapy_do.store.store import Store
from scrapy_do.system.host import python_and_scrapy
from scrapy_do.system.journal import Journal
from scrapy_do.system.runtime import Runtime

__all__ = ["OptionFact", "ServerOperations", "Storage", "Trashed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionFact:
    """An option as it is in use, secrets as stars; `origin`: the file, the variable, `default`."""

    section: str
    name: str
    value: str
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """What lies in the data directory, and what becomes of it.

    `database` is how it is called without credentials, `next_pruning` None while none is planned.
    `copies` of the database lie beside it, newest first.
    `trash` are the newest entries of `trash_entries`.
    """

    directory: str
    database: str
    database_bytes: int
    next_pruning: datetime | None
    trash: Sequence[Trashed]
    trash_entries: int
    copies: Sequence[KeptCopy]


class ServerOperations:
    """Answers what the daemon is made of. `config` is what is in use now."""

    def __init__(
        self,
        *,
        store: Store,
        trash: Trash,
        config: Callable[[], Config],
        journal: Journal,
        next_pruning: Callable[[], datetime | None],
        isolation: Callable[[], tuple[bool, str]],
        runtime: Runtime,
    ) -> None:
        self._store = store
        self._trash = trash
        self._config = config
        self._journal = journal
        self._next_pruning = next_pruning
        self._isolation = isolation
        self._in_thread = runtime.in_thread

    def options(self) -> list[OptionFact]:
        """Every option, in the order of the documentation."""
        config = self._config()
        return [
            OptionFact(
                section=section,
                name=name,
                value=value,
                origin=config.origins.get((section, name), "default"),
            )
            for section, options in config.masked().items()
            for name, value in options.items()
        ]

    def environment_of(self, project: str) -> Sequence[str]:
        """The names of the variables that the configuration gives the crawls of a project."""
        config = self._config()
        mine = config.projects.get(project)
        return sorted({*config.crawls.environment, *(mine.environment if mine else ())})

    @property
    def interpreter(self) -> Interpreter:
        """With which Python and Scrapy spiders are listed and run."""
        python, scrapy = python_and_scrapy()
        return Interpreter(python=python, scrapy=scrapy)

    @property
    def isolation(self) -> tuple[bool, str]:
        """Whether crawls are kept from what is not theirs, and how or why not."""
        return self._isolation()

    @property
    def log(self) -> Sequence[str]:
        """The last lines of the daemon's own log, the newest last."""
        return self._journal.lines

    @property
    def stop_grace(self) -> timedelta:
        """How long a crawl that was asked to stop may take before it is killed."""
        return timedelta(seconds=self._config().crawls.stop_grace_s)

    async def storage(self, *, most_trash: int) -> Storage:
        """What lies in the data directory now, with at most so many entries of the trash."""
        trash = await self._in_thread(self._trash.entries)
        copies = await self._in_thread(lambda: kept_copies(self._store.path))
        database, size_bytes = await self._store.size()
        return Storage(
            directory=str(self._config().scrapy_do.project_store),
            database=database,
            database_bytes=size_bytes,
            next_pruning=self._next_pruning(),
            copies=copies,
            trash=trash[:most_trash],
            trash_entries=len(trash),
        )

    async def audit(self, *, before: int | None, limit: int) -> Sequence[AuditLine]:
        """Who did what, the newest first, of what was before a line if one is given."""
        return await self._store.audit.find(before=before, limit=limit)

    async def accounts(self) -> Accounts:
        """Users, and the tokens that were not revoked."""
        return await self._store.accounts.all()
