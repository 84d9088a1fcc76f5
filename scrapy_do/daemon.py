"""The assembling file: configuration in, a running daemon out. The only import of the reactor."""

import gc
import socket
import sys
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from scrapy_do.api.scrapy_cloud import cloud_dialects
from scrapy_do.api.scrapy_do.routes import ScrapyDoAPI
from scrapy_do.assembly import Parts, assemble
from scrapy_do.config import Config, changed_options
from scrapy_do.engine.old_users import refuse_users, take_over_users
from scrapy_do.engine.pairing import Pair
from scrapy_do.engine.policies import DaemonPolicies, environment_to_start_with
from scrapy_do.errors import ScrapyDoError
from scrapy_do.files.data_directory import DataDirectory
from scrapy_do.files.stores import FileStores
from scrapy_do.launchers import make_launcher
from scrapy_do.launchers.compiling import compile_sources
from scrapy_do.launchers.interpreters import reap_inherited
from scrapy_do.operations.cloud.access import reachable
from scrapy_do.system.clock import use_monotonic_seconds
from scrapy_do.system.host import Host
from scrapy_do.system.journal import Journal
from scrapy_do.system.listening import address_of, hand_on, inherited_sockets, sockets_for
from scrapy_do.system.notify import ServiceManager
from scrapy_do.system.own_process import OwnProcess
from scrapy_do.system.runtime import Runtime
from scrapy_do.system.service import Farewell, Services
from scrapy_do.ui.login_routes import LOGIN
from scrapy_do.ui.routes import Pages
from scrapy_do.web.front import Entrance, Front, limits_of_connections
from scrapy_do.web.keyring import AccountSource, Keyring
from scrapy_do.web.origin import own_hosts
from scrapy_do.web.router import Dialect
from scrapy_do.web.site import Site, make_site
from scrapy_do.web.sse import Bell
from scrapy_do.web.tail import Tail
from scrapy_do.web.users import read_users

_log = Logger(namespace="scrapy_do.daemon")


class Daemon:
    """Everything that runs in the daemon's process, from `start` to `stop`.

    Raises, when made: DataDirectoryInUse, DatabaseInUse, NewerSchema, StoreUnavailable,
    ConfigError, OSError, each with a message for whoever starts it.
    """

    def __init__(
        self,
        config: Config,
        environ: Mapping[str, str],
        sockets: Sequence[socket.socket],
        reactor: Any,  # noqa: ANN401 - of many interfaces
        *,
        journal: Journal,
        read_config: Callable[[], Config],
        is_new: bool = False,
        greet: Callable[[str], None] | None = None,
    ) -> None:
        self._greet = greet
        self.broken: Deferred[str] = Deferred()
        self._config = self._started_with = config
        self._environ = environ
        self._sockets = sockets
        self._read_config = read_config
        self._journal = journal
        directory = DataDirectory(config.scrapy_do.project_store)
        self._runtime = Runtime.of(reactor).repairing(directory.open_again)
        policies = self._policies_of(config)
        self._pair = Pair(directory, config.scrapy_do.database)
        self._pair.lock()
        # It has threads, which keep the process alive until it is closed.
        self._store = self._pair.open(
            is_new=is_new, reactor=reactor, on_broken=self.broken.callback
        )
        try:
            self._keyring = self._open_keyring(directory)
            self._assemble(directory, policies)
        except BaseException:
            self._store.close()
            raise

    def _policies_of(self, config: Config) -> DaemonPolicies:
        return DaemonPolicies.of(config, self._environ, sys.executable)

    def _open_keyring(self, directory: DataDirectory) -> Keyring:
        web, accounts = self._config.web, self._store.accounts
        if web.auth:
            take_over_users(accounts, web.auth_db, read_users, keeps_digest=web.auth_digest)
        source = AccountSource(read=accounts.all, noted=directory.accounts_noted)
        return Keyring(web, accounts.all_now(), source, runtime=self._runtime)

    def _assemble(self, directory: DataDirectory, policies: DaemonPolicies) -> None:
        """Make all parts; `_services` is the order in which they start, and back."""
        config, runtime = self._config, self._runtime
        self._files = FileStores.at(
            directory,
            compile_sources=partial(compile_sources, sys.executable),
            trash_age=timedelta(seconds=config.retention.trash_age_s),
            now=runtime.now,
        )
        launcher = make_launcher(
            reports_socket=directory.reports_socket,
            environment=environment_to_start_with(self._environ),
            runtime=runtime,
        )
        self._parts = assemble(
            store=self._store,
            files=self._files,
            launcher=launcher,
            host=Host(directory.root),
            runtime=runtime,
            policies=policies,
            config=lambda: self._config,
            journal=self._journal,
            base_url=self._first_url,
            problems=self._problems,
        )
        self._front = Front(
            self._sockets,
            make_site=partial(self._site, self._dialects(self._parts, policies.zone)),
            wrap=self._keyring.wrap,
            hurry=launcher.end_listings,
            runtime=runtime,
        )
        entrance = Entrance(self._front, refuse=self._parts.operations.jobs.refuse)
        self._services = Services((self._front, *self._parts.services, entrance))

    def _dialects(self, parts: Parts, zone: str) -> tuple[Dialect, ...]:
        """Everything that is spoken, each made once, whatever sockets are listened on."""
        archive_bytes = self._config.scrapy_do.max_archive_size_bytes
        reactor = self._runtime.reactor
        spoken = (
            ScrapyDoAPI(parts.operations, archive_bytes=archive_bytes, tail=Tail(reactor=reactor)),
            *cloud_dialects(
                parts.operations,
                parts.cloud,
                access=self._keyring.cloud_access,
                archive_bytes=archive_bytes,
            ),
        )
        pages = Pages(
            parts.operations,
            now=self._runtime.now,
            zone=zone,
            times=self._config.web.times,
            archive_bytes=archive_bytes,
            new_bell=partial(Bell, reactor),
            sessions=self._keyring.sessions,
            dialects=spoken,
        )
        return (*spoken, pages)

    def _site(self, dialects: Sequence[Dialect], listening: socket.socket) -> Site:
        web, keyring = self._config.web, self._keyring
        _, port = address_of(listening)
        return make_site(
            dialects=dialects,
            access=keyring.access,
            hosts=own_hosts(scheme=keyring.scheme, port=port, names=web.hosts),
            health=self._health,
            public=("/ui/static/", LOGIN),
            spool_dir=self._files.archives.incoming,
            in_thread=self._runtime.in_thread,
            reactor=self._runtime.reactor,
            limits=limits_of_connections(web),
            digests=keyring.digests,
            sessions=keyring.sessions,
            login=LOGIN,
            refresh=keyring.refresh,
            audit=self._parts.audit.note,
            now=self._runtime.now,
        )

    async def start(self) -> None:
        """Clean up, recover, adopt, plan; then listen."""
        try:
            await self._runtime.in_thread(self._files.sweep)
            reap_inherited(self._runtime.reactor)
            await self._services.start()
        except BaseException:
            await self._let_go()
            raise
        url = self._first_url()
        if self._greet is not None and url is not None:
            self._greet(url)

    async def stop(self, farewell: Farewell) -> None:
        """Take no new work, end or leave the crawls, finish what is in hand."""
        try:
            await self._services.stop(farewell)
        finally:
            await self._let_go()

    async def _let_go(self) -> None:
        """Give up what outlives the reactor: threads of the store, the data directory."""
        await self._runtime.in_thread(self._store.close)
        self._pair.close()

    async def reload(self) -> None:
        """Read the configuration, the users and the certificates again.

        Whatever is wrong with them is told to the log, and all stays as it was.
        """
        try:
            config = await self._runtime.in_thread(self._read_config)
            changed, _ = changed_options(self._config, config)
            _, later = changed_options(self._started_with, config)
            policies = self._policies_of(config)
            if config.web.auth:
                refuse = partial(refuse_users, self._store.accounts, config.web.auth_db, read_users)
                await self._runtime.in_thread(refuse)
            await self._keyring.renew(config.web)
        except (ScrapyDoError, OSError) as error:
            _log.error("SIGHUP: what was there before stays in use: {error}", error=error)
            return
        self._front.limit(limits_of_connections(config.web))
        self._parts.use(policies)
        self._config = config
        _log.info(
            "SIGHUP: users, API keys and certificates were read again; changed: {changed}",
            changed=", ".join(changed) or "no option",
        )
        if later:
            _log.warn("takes effect at the next start only: {later}", later=", ".join(later))

    def hurry(self) -> None:
        """Give crawls that were asked to stop no more grace."""
        self._parts.controller.hurry()

    def hand_on(self, environ: MutableMapping[str, str]) -> None:
        """Prepare to hand the listening sockets to the next program of this process."""
        hand_on(self._sockets, environ)

    @property
    def addresses(self) -> tuple[str, ...]:
        """The base URLs that are listened on."""
        scheme = self._keyring.scheme
        return tuple("{}://{}:{}".format(scheme, *address_of(one)) for one in self._sockets)

    def _first_url(self) -> str | None:
        for listening in self._sockets:
            return reachable(self._keyring.scheme, *address_of(listening))
        return None

    def _problems(self) -> Mapping[str, str]:
        return self._services.problems()

    async def _health(self) -> list[str]:
        return sorted(await self._parts.operations.status.problems())


def _reactor() -> Any:  # noqa: ANN401 - of many interfaces
    from twisted.internet import reactor  # noqa: PLC0415 - installing one is this file's decision

    return reactor


def run(
    config: Config,
    environ: MutableMapping[str, str],
    read_config: Callable[[], Config],
    *,
    is_new: bool = False,
    greet: Callable[[str], None] | None = None,
) -> int:
    """Run the daemon until it is told to stop; return its exit status.

    `environ` is the environment in which this process was started. What is in it for us
    alone is taken out. `read_config` reads the configuration anew. With `is_new` a database
    that is not the one of the data directory is set aside. `greet` is told once where the
    daemon listens.

    Raises:
        ConfigError, DataDirectoryInUse, DatabaseInUse, NewerSchema, StoreUnavailable: it
            cannot start.
    """
    reactor = _reactor()
    use_monotonic_seconds(reactor)
    manager = ServiceManager.of(environ)
    sockets = sockets_for(config.web.interfaces, inherited_sockets(environ))
    journal = Journal()
    process = OwnProcess(
        Daemon(
            config,
            environ,
            sockets,
            reactor,
            journal=journal,
            read_config=read_config,
            is_new=is_new,
            greet=greet,
        ),
        manager,
        reactor,
        leave_crawls=config.crawls.on_stop == "leave",
    )
    # Only now is it certain that there is something to log, not one sentence to be printed.
    journal.begin(config)
    gc.freeze()  # what there is by now stays: collections, which stop everything, can skip it
    return process.run()
