"""The assembling file: configuration in, a running daemon out.

The only module that knows all classes, the wall clock and the reactor. What it makes it
stops in the opposite order.
"""

import gc
import platform
import socket
import sys
from collections.abc import Callable, Mapping, MutableMapping
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from scrapy_do.api.scrapy_cloud import cloud_dialects
from scrapy_do.api.scrapy_do.routes import ScrapyDoAPI
from scrapy_do.config import Config, WebConfig, changed_options
from scrapy_do.core.events import Publisher
from scrapy_do.engine.controller import Controller
from scrapy_do.engine.custody import Custody
from scrapy_do.engine.pairing import Pair
from scrapy_do.engine.policies import (
    SpiderLister,
    crawl_defaults_of,
    has_cloud_access,
    limits_of,
    retention_of,
    zone_of,
)
from scrapy_do.engine.pruner import Pruner
from scrapy_do.engine.run_setup import RunSetup
from scrapy_do.engine.scheduler import Scheduler
from scrapy_do.errors import ScrapyDoError
from scrapy_do.files.archives import ArchiveStore
from scrapy_do.files.artifacts import ArtifactStore
from scrapy_do.files.data_directory import DataDirectory
from scrapy_do.files.inspect import ArchiveLimits
from scrapy_do.files.runs import RunStore
from scrapy_do.files.scratch import ScratchStore
from scrapy_do.files.spider_data import SpiderDataStore
from scrapy_do.files.trash import Trash
from scrapy_do.files.trees import TreeStore
from scrapy_do.launchers import make_launcher
from scrapy_do.launchers.compiling import compile_sources
from scrapy_do.launchers.interpreters import reap_inherited
from scrapy_do.operations.admission import Admission
from scrapy_do.operations.bulk import BulkOperations
from scrapy_do.operations.changes import ChangeOperations
from scrapy_do.operations.cloud.access import CloudAccess, reachable
from scrapy_do.operations.cloud.collections import CollectionOperations
from scrapy_do.operations.cloud.frontiers import FrontierOperations
from scrapy_do.operations.cloud.jobs import CloudOperations
from scrapy_do.operations.cloud.tokens import JobTokens
from scrapy_do.operations.jobs import JobOperations
from scrapy_do.operations.listing import ListingOperations
from scrapy_do.operations.logs import LogOperations
from scrapy_do.operations.operations import Operations
from scrapy_do.operations.outputs import OutputOperations
from scrapy_do.operations.projects import ProjectOperations
from scrapy_do.operations.records import DataOperations
from scrapy_do.operations.schedules import ScheduleOperations
from scrapy_do.operations.server import ServerOperations
from scrapy_do.operations.status import StatusOperations
from scrapy_do.system.clock import use_monotonic_seconds
from scrapy_do.system.host import OwnLoad, crawl_memory_bytes, room_of
from scrapy_do.system.journal import begin_logging
from scrapy_do.system.listening import address_of, hand_on, inherited_sockets, sockets_for
from scrapy_do.system.notify import ServiceManager
from scrapy_do.system.own_process import OwnProcess
from scrapy_do.system.runtime import Runtime
from scrapy_do.ui.login_routes import LOGIN
from scrapy_do.ui.routes import Pages
from scrapy_do.web.auth import FurtherTokens, RenewedAccess
from scrapy_do.web.connection import Limits
from scrapy_do.web.origin import own_hosts
from scrapy_do.web.sessions import Sessions
from scrapy_do.web.site import Site, make_site
from scrapy_do.web.sse import Bell
from scrapy_do.web.tail import Tail
from scrapy_do.web.users import access_of, digests_of, read_api_keys

if TYPE_CHECKING:
    from scrapy_do.web.tls import RenewedContext

_log = Logger(namespace="scrapy_do.daemon")

EMPTIED_S = 2.0
"""How long connections may go on with what they do once everything else has stopped."""


class Daemon:
    """Everything that runs in the daemon's process, from `start` to `stop`.

    Raises, when made: DataDirectoryInUse, DatabaseInUse, NewerSchema, StoreUnavailable,
    ConfigError, OSError, each with a message for whoever starts it.
    """

    def __init__(
        self,
        config: Config,
        environ: Mapping[str, str],
        reactor: Any,  # noqa: ANN401 - of many interfaces
        *,
        read_config: Callable[[], Config],
        is_new: bool = False,
    ) -> None:
        self.broken: Deferred[str] = Deferred()
        self._config = self._started_with = config
        self._environ = environ
        self._read_config = read_config
        self._zone = zone_of(config)
        self._reactor = reactor
        self._runtime = Runtime.of(reactor)
        self._scheme = "https" if config.web.https else "http"
        self._digests = digests_of(config.web, reactor.seconds)
        self._access = RenewedAccess(access_of(config.web, self._digests))
        self._sessions = Sessions(self._access, seconds=reactor.seconds)
        self._api_keys = dict(read_api_keys(config.web.api_keys))
        self._cloud_access = FurtherTokens(self._api_keys, self._access)
        self._tls = _tls_of(config)
        self._web_limits = _limits_of(config.web)
        self._sites: list[Site] = []
        self._ports: list[Any] = []
        self._sockets: list[socket.socket] = []
        self._directory = DataDirectory(config.scrapy_do.project_store)
        self._pair = Pair(self._directory, config.scrapy_do.database)
        self._pair.lock()
        # It has threads, which keep the process alive until it is closed.
        self._store = self._pair.open(
            is_new=is_new, reactor=reactor, on_broken=self.broken.callback
        )
        self._events = Publisher()
        try:
            self._open_files(config)
            self._assemble(environ)
        except BaseException:
            self._store.close()
            raise

    def _open_files(self, config: Config) -> None:
        """Make the directories of the data directory that are not there."""
        self._archives = ArchiveStore(self._directory.archives)
        self._trees = TreeStore(
            self._directory.trees, self._archives, partial(compile_sources, sys.executable)
        )
        self._artifacts = ArtifactStore(self._directory.artifacts)
        self._runs = RunStore(self._directory.runs)
        self._spider_data = SpiderDataStore(self._directory.spider_data)
        self._scratch = ScratchStore(self._directory.listings)
        age = timedelta(seconds=config.retention.trash_age_s)
        self._trash = Trash(self._directory.trash, age=age, now=self._runtime.now)

    def _assemble(self, environ: Mapping[str, str]) -> None:
        """Make the parts that do the work, each with what it needs of the others."""
        config, runtime = self._config, self._runtime
        self._launcher = launcher = make_launcher(
            reports_socket=self._directory.reports_socket,
            environment=environ,
            runtime=runtime,
        )
        self._run_setup = RunSetup(
            store=self._store,
            trees=self._trees,
            artifacts=self._artifacts,
            runs=self._runs,
            spider_data=self._spider_data,
            trash=self._trash,
            defaults=crawl_defaults_of(config, environ, sys.executable),
            granted=CloudAccess(
                tokens=JobTokens(store=self._store, now=self._runtime.now),
                is_granted=partial(has_cloud_access, config),
                base_url=self._first_url,
            ).environment,
            runtime=runtime,
        )
        self.controller = Controller(
            store=self._store,
            launcher=launcher,
            run_setup=self._run_setup,
            limits=limits_of(config),
            events=self._events,
            runtime=runtime,
            measure_memory=self._measure_memory,
        )
        self._scheduler = Scheduler(
            store=self._store,
            events=self._events,
            wake_controller=self.controller.wake,
            settle=self.controller.settled,
            runtime=runtime,
        )
        self._operations = self._make_operations(
            SpiderLister(
                launcher,
                config,
                environ,
                sys.executable,
                scratch=self._scratch,
                runtime=runtime,
            )
        )
        self._custody = Custody(store=self._store, runtime=runtime)
        self._pruner = Pruner(
            store=self._store,
            artifacts=self._artifacts,
            trash=self._trash,
            retention=retention_of(config),
            sweep=self._operations.projects.sweep,
            runtime=runtime,
        )

    def _make_operations(self, list_spiders: SpiderLister) -> Operations:
        config, runtime = self._config, self._runtime
        rules = self._rules = Admission(allowed_settings=config.crawls.allowed_settings)
        jobs = JobOperations(
            store=self._store,
            artifacts=self._artifacts,
            events=self._events,
            rules=rules,
            wake=self.controller.wake,
            end_now=self.controller.end_now,
            runtime=runtime,
        )
        self._cloud = CloudOperations(
            store=self._store,
            jobs=jobs,
            rules=rules,
            events=self._events,
            wake=self.controller.wake,
            now=self._runtime.now,
        )
        return Operations(
            projects=ProjectOperations(
                store=self._store,
                archives=self._archives,
                trees=self._trees,
                spider_data=self._spider_data,
                trash=self._trash,
                limits=ArchiveLimits(),
                list_spiders=list_spiders,
                events=self._events,
                runtime=runtime,
            ),
            jobs=jobs,
            bulk=BulkOperations(jobs),
            changes=ChangeOperations(self._events),
            schedules=ScheduleOperations(
                store=self._store,
                jobs=jobs,
                rules=rules,
                events=self._events,
                wake_scheduler=self._scheduler.wake,
                wake_controller=self.controller.wake,
                runtime=runtime,
                zone=self._zone,
            ),
            outputs=OutputOperations(
                store=self._store,
                artifacts=self._artifacts,
                events=self._events,
                runtime=runtime,
            ),
            logs=LogOperations(artifacts=self._artifacts, runtime=runtime),
            data=DataOperations(
                store=self._store,
                artifacts=self._artifacts,
                runtime=runtime,
            ),
            collections=CollectionOperations(store=self._store, runtime=runtime),
            frontiers=FrontierOperations(store=self._store),
            listing=ListingOperations(self._store),
            server=ServerOperations(
                store=self._store,
                trash=self._trash,
                config=lambda: self._config,
                next_pruning=lambda: self._pruner.next_at,
                runtime=runtime,
            ),
            status=StatusOperations(
                store=self._store,
                load=OwnLoad(),
                room=lambda: room_of(config.scrapy_do.project_store),
                hostname=platform.node(),
                slots=config.scrapy_do.job_slots,
                scheduler_lag_s=lambda: self._scheduler.lag_s,
                problems=self._problems,
                runtime=runtime,
            ),
        )

    # --- life ----------------------------------------------------------------------------------

    async def start(self, sockets: list[socket.socket]) -> None:
        """Recover, adopt, plan; then listen."""
        try:
            await self._start(sockets)
        except BaseException:
            await self._let_go()
            raise

    async def _start(self, sockets: list[socket.socket]) -> None:
        self._sockets = sockets
        for files in (
            self._archives,
            self._trees,
            self._artifacts,
            self._spider_data,
            self._scratch,
        ):
            await self._runtime.in_thread(files.sweep)
        reap_inherited(self._reactor)
        await self.controller.start()
        await self._scheduler.start()
        for listening in sockets:
            self._listen(listening)
        self._pruner.start()
        self._custody.start()

    async def stop(self, *, leave_crawls: bool, hand_over: bool) -> None:
        """Take no new work, end or leave the crawls, finish what is in hand.

        With `hand_over` connections that come from now on wait for the next program.
        """
        try:
            await self._stop(leave_crawls=leave_crawls, hand_over=hand_over)
        finally:
            await self._let_go()

    async def _stop(self, *, leave_crawls: bool, hand_over: bool) -> None:
        self._operations.jobs.accepting = False
        if hand_over:
            for port in self._ports:
                port.stopReading()
        for site in self._sites:
            site.drain()
        self._pruner.stop()
        await self._custody.stop()
        await self._scheduler.stop()
        await self.controller.stop(leave_crawls=leave_crawls)
        if not hand_over:
            for port in self._ports:
                await port.stopListening()
        # A push of which the project hangs must be answered before its connection is cut.
        self._reactor.callLater(EMPTIED_S / 2, self._launcher.end_listings)
        for site in self._sites:
            abort = self._reactor.callLater(EMPTIED_S, site.abort)
            await site.emptied()
            if abort.active():
                abort.cancel()

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
            self._renew(config)
        except (ScrapyDoError, OSError) as error:
            _log.error("SIGHUP: what was there before stays in use: {error}", error=error)
            return
        _log.info(
            "SIGHUP: users, API keys and certificates were read again; changed: {changed}",
            changed=", ".join(changed) or "no option",
        )
        if later:
            _log.warn("takes effect at the next start only: {later}", later=", ".join(later))

    def _renew(self, config: Config) -> None:
        """Take over what can change in flight: all of it, or nothing."""
        digests = digests_of(config.web, self._reactor.seconds)
        access, api_keys = access_of(config.web, digests), read_api_keys(config.web.api_keys)
        if self._tls is not None:
            self._tls.renew()
        self._digests, self._access.current = digests, access
        self._sessions.end_all()
        self._api_keys.clear()
        self._api_keys.update(api_keys)
        for site in self._sites:
            site.limits = _limits_of(config.web)
        self._run_setup.defaults = crawl_defaults_of(config, self._environ, sys.executable)
        self._rules.allowed_settings = config.crawls.allowed_settings
        self._pruner.retention = retention_of(config)
        self._operations.status.slots = config.scrapy_do.job_slots
        self.controller.use(limits_of(config))
        self._config = config

    def hurry(self) -> None:
        """Give crawls that were asked to stop no more grace."""
        self.controller.hurry()

    def hand_on(self, environ: MutableMapping[str, str]) -> None:
        """Prepare to hand the listening sockets to the next program of this process."""
        hand_on(self._sockets, environ)

    @property
    def addresses(self) -> tuple[str, ...]:
        """The base URLs that are listened on."""
        return tuple("{}://{}:{}".format(self._scheme, *address_of(one)) for one in self._sockets)

    def _first_url(self) -> str | None:
        for listening in self._sockets:
            return reachable(self._scheme, *address_of(listening))
        return None

    def _listen(self, listening: socket.socket) -> None:
        _, port = address_of(listening)
        archive_bytes = self._config.scrapy_do.max_archive_size_bytes
        tail = Tail(reactor=self._reactor)
        dialects = [
            ScrapyDoAPI(self._operations, archive_bytes=archive_bytes, tail=tail),
            *cloud_dialects(
                self._operations,
                self._cloud,
                access=self._cloud_access,
                archive_bytes=archive_bytes,
            ),
        ]
        pages = Pages(
            self._operations,
            now=self._runtime.now,
            zone=self._zone,
            archive_bytes=archive_bytes,
            new_bell=partial(Bell, self._reactor),
            sessions=self._sessions,
            dialects=dialects,
        )
        site = make_site(
            dialects=[*dialects, pages],
            access=self._access,
            hosts=own_hosts(scheme=self._scheme, port=port, names=self._config.web.hosts),
            health=self._health,
            public=("/ui/static/", LOGIN),
            spool_dir=self._archives.incoming,
            in_thread=self._runtime.in_thread,
            reactor=self._reactor,
            limits=self._web_limits,
            digests=lambda: self._digests,
            sessions=self._sessions,
            login=LOGIN,
        )
        listening.setblocking(False)
        # Twisted works on a copy of the descriptor; ours stays open to be handed on.
        self._ports.append(
            self._reactor.adoptStreamPort(
                listening.fileno(),
                listening.family,
                site if self._tls is None else self._tls.before(site),
            )
        )
        self._sites.append(site)

    # --- what the parts need -------------------------------------------------------------------

    async def _measure_memory(self, pids: tuple[int, ...]) -> dict[int, int]:
        return await self._runtime.in_thread(lambda: crawl_memory_bytes(pids))

    def _problems(self) -> dict[str, str]:
        found = {"controller": self.controller.problem, "scheduler": self._scheduler.problem}
        return {name: problem for name, problem in found.items() if problem is not None}

    async def _health(self) -> list[str]:
        return sorted(await self._operations.status.problems())


def _limits_of(web: WebConfig) -> Limits:
    return Limits(
        connections=web.connections,
        connections_per_address=web.connections_per_address,
        stall_s=web.reader_timeout_s,
    )


def _tls_of(config: Config) -> "RenewedContext | None":
    """What puts TLS before a site, where it is configured."""
    if not config.web.https:
        return None
    from scrapy_do.web.tls import RenewedContext  # noqa: PLC0415 - large, seldom needed

    return RenewedContext(config.web)


def _reactor() -> Any:  # noqa: ANN401 - of many interfaces
    from twisted.internet import reactor  # noqa: PLC0415 - installing one is this file's decision

    return reactor


def run(
    config: Config,
    environ: MutableMapping[str, str],
    read_config: Callable[[], Config],
    *,
    is_new: bool = False,
) -> int:
    """Run the daemon until it is told to stop; return its exit status.

    `environ` is the environment in which this process was started. What is in it for us
    alone is taken out. `read_config` reads the configuration anew. With `is_new` a database
    that is not the one of the data directory is set aside.

    Raises:
        ConfigError, DataDirectoryInUse, DatabaseInUse, NewerSchema, StoreUnavailable: it
            cannot start.
    """
    reactor = _reactor()
    use_monotonic_seconds(reactor)
    manager = ServiceManager.of(environ)
    sockets = sockets_for(config.web.interfaces, inherited_sockets(environ))
    process = OwnProcess(
        Daemon(config, environ, reactor, read_config=read_config, is_new=is_new),
        manager,
        reactor,
        leave_crawls=config.crawls.on_stop == "leave",
    )
    # Only now is it certain that there is something to log, not one sentence to be printed.
    begin_logging(config)
    gc.freeze()  # what there is by now stays: collections, which stop everything, can skip it
    return process.run(sockets)
