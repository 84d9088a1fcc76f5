"""Parts in, a working daemon out, but for what speaks HTTP: the same for the daemon and for tests.

A new background duty is a `Service`, made in `assemble` and named in `Parts.services`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from scrapy_do.config import Config
from scrapy_do.engine.audit_trail import AuditTrail
from scrapy_do.engine.controller import Controller
from scrapy_do.engine.custody import Custody
from scrapy_do.engine.isolation import isolation_in_words
from scrapy_do.engine.policies import DaemonPolicies, SpiderLister
from scrapy_do.engine.pruner import Pruner
from scrapy_do.engine.run_setup import RunSetup
from scrapy_do.engine.scheduler import Scheduler
from scrapy_do.files.stores import FileStores
from scrapy_do.launchers.interface import Launcher
from scrapy_do.operations.admission import Admission
from scrapy_do.operations.bulk import BulkOperations
from scrapy_do.operations.changes import ChangeOperations
from scrapy_do.operations.cloud.access import CloudAccess
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
from scrapy_do.store.store import Store
from scrapy_do.system.host import Host
from scrapy_do.system.journal import Journal
from scrapy_do.system.runtime import Runtime
from scrapy_do.system.service import Service


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A daemon's parts, joined. `services` are what is started, in that order, and stopped."""

    run_setup: RunSetup
    controller: Controller
    scheduler: Scheduler
    pruner: Pruner
    admission: Admission
    list_spiders: SpiderLister
    operations: Operations
    cloud: CloudOperations
    audit: AuditTrail
    services: tuple[Service, ...]

    def use(self, policies: DaemonPolicies) -> None:
        """Keep to other policies from now on, as far as they can change in flight."""
        self.run_setup.defaults = self.list_spiders.crawls = policies.crawls
        self.admission.allowed_settings = policies.allowed_settings
        self.pruner.retention = policies.retention
        self.operations.status.slots = policies.limits.slots
        self.controller.use(policies.limits)


def assemble(
    *,
    store: Store,
    files: FileStores,
    launcher: Launcher,
    host: Host,
    runtime: Runtime,
    policies: DaemonPolicies,
    config: Callable[[], Config],
    journal: Journal,
    base_url: Callable[[], str | None],
    problems: Callable[[], Mapping[str, str]],
) -> Parts:
    """Make the parts, each with what it needs of the others; nothing runs yet.

    `config` is what is in use now, `journal` the daemon's own log, `base_url` where crawls
    reach the daemon, `problems` what is wrong with its services.
    """
    run_setup = RunSetup(
        store=store,
        files=files,
        defaults=policies.crawls,
        granted=CloudAccess(
            tokens=JobTokens(store=store, now=runtime.now),
            is_granted=policies.is_granted,
            base_url=base_url,
        ).environment,
        runtime=runtime,
    )
    controller = Controller(
        store=store,
        launcher=launcher,
        run_setup=run_setup,
        limits=policies.limits,
        host=host,
        runtime=runtime,
    )
    scheduler = Scheduler(
        store=store,
        settle=controller.settled,
        runtime=runtime,
    )
    admission = Admission(allowed_settings=policies.allowed_settings)
    list_spiders = SpiderLister(
        launcher,
        crawls=policies.crawls,
        timeout_s=policies.spiders_timeout_s,
        scratch=files.scratch,
        runtime=runtime,
    )
    projects = ProjectOperations(
        store=store,
        files=files,
        limits=policies.archives,
        list_spiders=list_spiders,
        runtime=runtime,
    )
    pruner = Pruner(
        store=store,
        files=files,
        retention=policies.retention,
        sweep=projects.sweep,
        runtime=runtime,
    )
    custody = Custody(store=store, runtime=runtime)
    audit = AuditTrail(store.audit, runtime=runtime)
    jobs = JobOperations(
        store=store,
        artifacts=files.artifacts,
        rules=admission,
        end_now=controller.end_now,
        runtime=runtime,
    )
    schedules = ScheduleOperations(
        store=store,
        jobs=jobs,
        rules=admission,
        zone=policies.zone,
        runtime=runtime,
    )
    operations = Operations(
        projects=projects,
        jobs=jobs,
        bulk=BulkOperations(jobs),
        changes=ChangeOperations(store.events),
        schedules=schedules,
        outputs=OutputOperations(store=store, artifacts=files.artifacts, runtime=runtime),
        logs=LogOperations(artifacts=files.artifacts, runtime=runtime),
        data=DataOperations(store=store, artifacts=files.artifacts, runtime=runtime),
        collections=CollectionOperations(store=store, runtime=runtime),
        frontiers=FrontierOperations(store=store),
        listing=ListingOperations(store),
        server=ServerOperations(
            store=store,
            trash=files.trash,
            config=config,
            journal=journal,
            next_pruning=lambda: pruner.next_at,
            isolation=lambda: isolation_in_words(config()),
            runtime=runtime,
        ),
        status=StatusOperations(
            store=store,
            host=host,
            slots=policies.limits.slots,
            scheduler_lag_s=lambda: scheduler.lag_s,
            problems=problems,
            runtime=runtime,
        ),
    )
    return Parts(
        run_setup=run_setup,
        controller=controller,
        scheduler=scheduler,
        pruner=pruner,
        admission=admission,
        list_spiders=list_spiders,
        operations=operations,
        cloud=CloudOperations(
            store=store,
            jobs=jobs,
            rules=admission,
            now=runtime.now,
        ),
        audit=audit,
        services=(controller, scheduler, pruner, custody, audit),
    )
