"""The configuration, in the words of those who use it."""

import os
import sysconfig
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from scrapy_do.config import Config
from scrapy_do.core.grammar import parse_zone
from scrapy_do.core.plan import JobLimits, Limits, ProjectLimits
from scrapy_do.engine.isolation import confinement_of
from scrapy_do.engine.pruner import Retention
from scrapy_do.engine.run_setup import CrawlDefaults
from scrapy_do.errors import BadArchive, BadArgument, ConfigError
from scrapy_do.files.inspect import ArchiveLimits
from scrapy_do.files.job_files import KeptLimits
from scrapy_do.files.scratch import ScratchStore
from scrapy_do.launchers.interface import Launcher, SpiderList
from scrapy_do.protocol.wire import CrawlLimits, SpidersRequest, StartMethod
from scrapy_do.system.runtime import Runtime

_LIBRARIES = (
    *(sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib")),
    Path(__file__).parents[2],
)

PASSED_ON = ("PATH", "LANG", "TZ")
"""What a crawl gets of the daemon's own environment without being granted it."""


_FOR_PROGRAMS = ("LC_", "LD_", "MALLOC_", "GLIBC_TUNABLES", "OPENSSL_CONF")
"""What the loader, the C library and OpenSSL read when a program starts, by how it begins."""


def zone_of(config: Config) -> str:
    """The IANA name of the zone for orders that give none.

    Raises:
        ConfigError: it is a zone of the system only, such as an abbreviation.
    """
    name = config.scrapy_do.timezone
    try:
        parse_zone(name)
    except BadArgument as error:
        problem = f"{name!r} must be an IANA name, such as Europe/Warsaw, no abbreviation"
        raise ConfigError("scrapy-do", "timezone", problem) from error
    return name


def limits_of(config: Config) -> Limits:
    """What all crawls may use; 0 in the configuration is no limit."""
    crawls = config.crawls
    return Limits(
        slots=config.scrapy_do.job_slots,
        project_slots=crawls.project_slots or None,
        spider_slots=crawls.spider_slots or None,
        stop_grace_s=crawls.stop_grace_s,
        job=JobLimits(
            timeout_s=crawls.job_timeout_s or None,
            stall_timeout_s=crawls.stall_timeout_s or None,
            memory_bytes=crawls.memory_limit_bytes or None,
        ),
        projects={
            name: ProjectLimits(
                slots=project.slots,
                spider_slots=project.spider_slots,
                job=JobLimits(
                    timeout_s=project.job_timeout_s,
                    stall_timeout_s=project.stall_timeout_s,
                    memory_bytes=project.memory_limit_bytes,
                ),
            )
            for name, project in config.projects.items()
        },
    )


def retention_of(config: Config) -> Retention:
    """How long things are kept."""
    retention = config.retention
    return Retention(
        finished_age_s=retention.finished_age_s or None,
        finished_per_spider=retention.finished_per_spider or None,
        finished_in_all=config.scrapy_do.completed_cap,
        versions_per_project=retention.versions_per_project,
        audit_age_s=retention.audit_age_s or None,
    )


def environment_of(config: Config, environ: Mapping[str, str], project: str) -> dict[str, str]:
    """The environment of the crawls of a project, but for what is each job's own."""
    own = {name: environ[name] for name in PASSED_ON if name in environ}
    mine = config.projects.get(project)
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        **own,
        **config.crawls.environment,
        **({} if mine is None else mine.environment),
    }


def environment_to_start_with(environ: Mapping[str, str]) -> dict[str, str]:
    """The part of the daemon's own environment with which interpreters of crawls are started.

    A crawl sees all of it, whatever its own is then: in `/proc/self/environ`, and in its memory.
    """
    return {
        name: value
        for name, value in environ.items()
        if name in PASSED_ON or name.startswith(_FOR_PROGRAMS)
    }


def start_method_of(config: Config, project: str) -> StartMethod:
    """How the processes of a project are started."""
    mine = config.projects.get(project)
    own = None if mine is None else mine.launcher
    return StartMethod(own or config.crawls.launcher)


def has_cloud_access(config: Config, project: str) -> bool:
    """Whether the crawls of a project may call this daemon."""
    mine = config.projects.get(project)
    own = None if mine is None else mine.cloud_access
    return config.crawls.cloud_access if own is None else own


def crawl_defaults_of(config: Config, environ: Mapping[str, str], python: str) -> CrawlDefaults:
    """What every crawl gets from the configuration."""
    crawls = config.crawls
    return CrawlDefaults(
        environment=lambda project: environment_of(config, environ, project),
        start_method=lambda project: start_method_of(config, project),
        python=python,
        limits=crawl_limits_of(config),
        confinement=confinement_of(config),
        kept=KeptLimits(
            files=config.retention.job_files, size_bytes=config.retention.job_files_size_bytes
        ),
        report_interval_s=crawls.report_interval_s,
    )


def crawl_limits_of(config: Config) -> CrawlLimits:
    """What a crawl may use, but for what the planner watches over."""
    return CrawlLimits(
        open_files=config.crawls.open_files or None,
        file_size_bytes=config.crawls.file_size_bytes or None,
        log_bytes=config.crawls.log_size_bytes or None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonPolicies:
    """What the configuration says, in the words of the parts that keep to it.

    `zone` is the IANA name of the zone for schedules that give none; `is_granted` says of a
    project, by its name, whether its crawls may call this daemon.
    """

    limits: Limits
    crawls: CrawlDefaults
    retention: Retention
    archives: ArchiveLimits
    allowed_settings: tuple[str, ...]
    zone: str
    is_granted: Callable[[str], bool]
    spiders_timeout_s: float

    @classmethod
    def of(cls, config: Config, environ: Mapping[str, str], python: str) -> "DaemonPolicies":
        """Read them from a configuration and the daemon's own environment.

        Raises:
            ConfigError: the zone is none of the IANA database.
        """
        return cls(
            limits=limits_of(config),
            crawls=crawl_defaults_of(config, environ, python),
            retention=retention_of(config),
            archives=ArchiveLimits(),
            allowed_settings=tuple(config.crawls.allowed_settings),
            zone=zone_of(config),
            is_granted=lambda project: has_cloud_access(config, project),
            spiders_timeout_s=config.crawls.spiders_timeout_s,
        )


class SpiderLister:
    """Asks the launcher for the spiders of a project; see `projects.ListSpiders`."""

    def __init__(
        self,
        launcher: Launcher,
        *,
        crawls: CrawlDefaults,
        timeout_s: float,
        scratch: ScratchStore,
        runtime: Runtime,
    ) -> None:
        self._launcher = launcher
        self.crawls = crawls
        self._timeout_s = timeout_s
        self._scratch = scratch
        self._in_thread = runtime.in_thread

    async def __call__(
        self,
        *,
        project: str,
        project_dir: Path,
        settings_module: str,
        watch: Callable[[Callable[[], Awaitable[str]]], None],
    ) -> SpiderList:
        """Give the spiders that can be run, and warnings; `watch` is told how to hear of it.

        Raises:
            BadArchive: the project cannot say; with its traceback.
            LaunchFailed: nobody could be asked.
        """
        crawls = self.crawls
        work_dir = await self._in_thread(self._scratch.make)

        async def hear() -> str:
            said = await self._in_thread(lambda: self._scratch.heard(work_dir))
            return _without_our_paths(said, project_dir)

        watch(hear)
        try:
            return await self._launcher.spiders(
                SpidersRequest(
                    project_dir=project_dir,
                    work_dir=work_dir,
                    settings_module=settings_module,
                    environment=crawls.environment(project),
                    start_method=crawls.start_method(project),
                    python=crawls.python,
                    limits=crawls.limits,
                    confinement=crawls.confinement,
                    timeout_s=self._timeout_s,
                )
            )
        except BadArchive as error:
            said = error.traceback and _without_our_paths(error.traceback, project_dir)
            problem = _without_our_paths(str(error), project_dir)
            raise BadArchive(problem, traceback=said) from error
        finally:
            await self._in_thread(lambda: self._scratch.remove(work_dir))


def _without_our_paths(text: str, project_dir: Path) -> str:
    """What a project has said, with the places of its files and of libraries as it knows them."""
    for place in (project_dir, *_LIBRARIES):
        text = text.replace(f"{place}/", "")
    return text
