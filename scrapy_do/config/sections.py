"""What can be configured: one frozen dataclass per section, one field per option.

A field is the whole declaration: its name is the option's, with the unit at its end
(`stop_grace_s` is `stop-grace`, in seconds), and `option` gives the default as it would be
written, the kind of value, and the help. `etc/scrapy-do.conf` and `docs/configuration.md`
are made from the same declarations.

A value comes from the INI file, then from the environment: `SCRAPY_DO_<SECTION>_<OPTION>`,
in capitals, `-` as `_`.
"""

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar

from scrapy_do.config import kinds
from scrapy_do.config.kinds import Endpoint, Kind
from scrapy_do.errors import ConfigError

# ruff: noqa: RUF009 - `option` makes a dataclass field; it is not called for each value

T = TypeVar("T")

LauncherName = Literal["fork", "spawn"]
OnStop = Literal["stop", "leave"]
Isolation = Literal["auto", "required", "off"]

_LAUNCHER: Kind[LauncherName] = kinds.choice("fork", "spawn")
_ON_STOP: Kind[OnStop] = kinds.choice("stop", "leave")
_ISOLATION: Kind[Isolation] = kinds.choice("auto", "required", "off")
ENVIRONMENT_PREFIX = "SCRAPY_DO_"
PROJECT_PREFIX = "project:"
_UNITS = ("_s", "_bytes")
HIDDEN = "***"


def option(default: str, kind: Kind[T], explain: str, *, secret: bool = False) -> T:
    """Declare an option: its default as written, its kind of value, its help."""
    return field(
        default_factory=lambda: kind.parse(default),
        repr=not secret,
        metadata={"default": default, "kind": kind, "help": explain, "secret": secret},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrapyDoConfig:
    """The daemon itself."""

    project_store: Path = option(
        "projects",
        kinds.PATH,
        "The data directory: database, projects, logs and items. Made with mode 0700 when "
        "missing; one daemon at a time.",
    )
    database: str | None = option(
        "",
        kinds.TEXT,
        "Where jobs are recorded, as an SQLAlchemy URL. Empty: an SQLite file in project-store.",
        secret=True,
    )
    job_slots: int = option("3", kinds.whole(1), "How many crawls run at the same time.")
    completed_cap: int | None = option(
        "",
        kinds.optional(kinds.whole(0)),
        "How many finished jobs are kept in all. Empty: the rules of [retention] alone.",
    )
    timezone: str = option(
        "",
        kinds.ZONE,
        "The zone of schedules that name none. Empty: the machine's zone, looked up at start.",
    )
    max_archive_size_bytes: int = option(
        "50MB", kinds.SIZE, "The largest project archive that may be pushed."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WebConfig:
    """Where the daemon listens and who may ask.

    Raises:
        ConfigError: other machines could reach it without any authentication.
    """

    interfaces: tuple[Endpoint, ...] = option(
        "127.0.0.1:7654",
        kinds.ENDPOINTS,
        "The addresses to listen on; port 0 is any free one. Addresses other than loopback "
        "need auth = on.",
    )
    hosts: tuple[str, ...] = option(
        "",
        kinds.NAMES,
        "Further host names that clients may use for this daemon, such as the one of a reverse "
        "proxy. They need auth = on.",
    )
    https: bool = option("off", kinds.FLAG, "Whether to speak HTTPS instead of HTTP.")
    key: Path = option("scrapy-do.key", kinds.PATH, "The private key of HTTPS, in PEM.")
    cert: Path = option("scrapy-do.crt", kinds.PATH, "The certificate of HTTPS, in PEM.")
    chain: Path | None = option(
        "", kinds.optional(kinds.PATH), "Certificates between ours and the authority, in PEM."
    )
    auth: bool = option(
        "off",
        kinds.FLAG,
        "Whether every request needs credentials: a user or a token, as `scrapy-do user add` and "
        "`scrapy-do token create` make them.",
    )
    auth_db: Path = option(
        "auth.db",
        kinds.PATH,
        "The users of Scrapy Do 0.5, one `name:password` on each line. They are taken over by the "
        "first start with auth = on, which moves the file away; from then on one is refused.",
    )
    api_keys: Path = option(
        "api-keys",
        kinds.PATH,
        "Further API keys for the Scrapy Cloud dialect, and for it alone: `NAME KEY PROJECTS` on "
        "each line, in clear text; keep its mode at 0600. PROJECTS are the numbers of those that "
        "the key sees, as `1,2`, or `all`, or `administrator`: see docs/scrapy-cloud.md.",
    )
    auth_digest: bool = option(
        "off",
        kinds.FLAG,
        "Whether users may also log in by digest (MD5), as the command-line client of Scrapy Do "
        "0.5 does. What that needs of a password is stored only while this is on: for users who "
        "are taken over or get a password then.",
    )
    token: str | None = option(
        "",
        kinds.SECRET,
        "A token that lets its bearer do everything, beside those of `scrapy-do token create`; "
        "better given as SCRAPY_DO_WEB_TOKEN than written here.",
        secret=True,
    )

    times: str = option(
        "relative",
        kinds.choice("relative", "local", "server", "UTC"),
        "How pages show times until somebody chooses otherwise in their footer: how long ago, by "
        "the clock of the browser, by the zone of `timezone`, or in UTC.",
    )
    connections: int = option(
        "512",
        kinds.whole(8),
        "How many connections may be open at once. One more is answered with 503 and "
        "Retry-After. A quarter is kept for short answers: readers of logs and items may have "
        "the rest.",
    )
    connections_per_address: int = option(
        "64",
        kinds.whole(0),
        "The same for each client address; 0: no limit of its own. Behind a proxy all clients "
        "share the address of the proxy.",
    )
    reader_timeout_s: float = option(
        "0",
        kinds.DURATION,
        "How long a client may take for the next 64 KiB of an answer before it is cut; 0: as "
        "long as it likes. One that is gone is cut in any case, within ten minutes.",
    )

    def __post_init__(self) -> None:
        if self.token is not None and not self.auth:
            raise ConfigError("web", "token", "has no effect while auth = off; set auth = on")
        if not self.auth:
            self._check_private()

    def _check_private(self) -> None:
        public = [str(endpoint) for endpoint in self.interfaces if not endpoint.is_loopback]
        for name, values in (("interfaces", public), ("hosts", self.hosts)):
            if values:
                raise ConfigError(
                    "web",
                    name,
                    f"{values[0]} can be reached from other machines, and without authentication "
                    "whoever reaches it can run code here. Set auth = on and make a user or a "
                    "token (`scrapy-do user add NAME`, `scrapy-do token create --role admin`; or "
                    "give one in SCRAPY_DO_WEB_TOKEN), or listen on 127.0.0.1 only",
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlConfig:
    """How crawls are started, limited and ended."""

    launcher: LauncherName = option(
        "fork",
        _LAUNCHER,
        "How a crawl is started: `fork` copies a process that has Scrapy loaded already, "
        "`spawn` starts a new interpreter each time: slower, for projects that cannot be forked.",
    )
    stop_grace_s: float = option(
        "30s",
        kinds.DURATION,
        "How long a crawl that was asked to stop may take before it is killed with everything "
        "it started.",
    )
    on_stop: OnStop = option(
        "stop",
        _ON_STOP,
        "What a plain stop of the daemon does to running crawls: `stop` ends them, and they run "
        "again after the next start; `leave` lets them go on, and the next daemon takes them "
        "over.",
    )
    isolation: Isolation = option(
        "auto",
        _ISOLATION,
        "Whether the code of projects is kept from everything that is not theirs, by Landlock: it "
        "writes below its own directories and `writable` only, and can neither read the files of "
        "the daemon and of other jobs, nor look into other processes, nor signal them. `auto`: "
        "where the kernel has it; `required`: no start without; `off`: it can do whatever the "
        "user of the daemon can.",
    )
    writable: tuple[Path, ...] = option(
        "",
        kinds.PATHS,
        "Directories outside that crawls may write to, such as the target of an absolute FEEDS.",
    )
    project_slots: int = option(
        "0", kinds.whole(0), "How many crawls of one project run at the same time; 0: no limit."
    )
    spider_slots: int = option(
        "0", kinds.whole(0), "How many crawls of one spider run at the same time; 0: no limit."
    )
    job_timeout_s: float = option(
        "0", kinds.DURATION, "How long a crawl may run before it is ended as failed; 0: no limit."
    )
    stall_timeout_s: float = option(
        "0",
        kinds.DURATION,
        "How long a crawl may show no progress before it is ended as failed; 0: no limit.",
    )
    memory_limit_bytes: int = option(
        "1GiB",
        kinds.SIZE,
        "How much memory a crawl and its children may hold together before it is ended as "
        "failed; 0: no limit.",
    )
    open_files: int = option(
        "1024", kinds.whole(0), "How many files and sockets a crawl may have open; 0: no limit."
    )
    file_size_bytes: int = option(
        "1GiB",
        kinds.SIZE,
        "The largest file that a crawl may write; writing more fails; 0: no limit. Items and "
        "requests that do not fit are counted as lost, and the log and the statistics of the "
        "job say so.",
    )
    log_size_bytes: int = option(
        "100MiB",
        kinds.SIZE,
        "How much a crawl may log, and print: what is more is dropped and counted, and the crawl "
        "goes on; 0: no limit but that of file-size, which also stops what its children write.",
    )
    environment: Mapping[str, str] = option(
        "",
        kinds.GRANTS,
        "What crawls find in their environment beside PATH, LANG, TZ, HOME, TMPDIR, SCRAPY_* and "
        "SPIDER_DATA_DIR, a directory that the crawls of a project share: NAME passes the "
        "daemon's own variable on, NAME=VALUE sets one. Separated by blanks, quoted as in a "
        "shell.",
        secret=True,
    )
    cloud_access: bool = option(
        "off",
        kinds.FLAG,
        "Whether crawls get SHUB_JOBKEY, SHUB_JOBAUTH, SHUB_STORAGE and SHUB_APIURL: with them "
        "the client library of Scrapy Cloud reaches this daemon from inside a crawl, for the "
        "data of that job and the collections and frontiers of its project. The address is the "
        "first of [web] interfaces.",
    )
    allowed_settings: tuple[str, ...] = option(
        "LOG_LEVEL, CLOSESPIDER_*, CONCURRENT_*, DOWNLOAD_*, DEPTH_LIMIT",
        kinds.NAMES,
        "The Scrapy settings that a job may bring along when who makes it may not push code; `*` "
        "stands for any ending. Settings that name code, such as DOWNLOAD_HANDLERS, are never "
        "among them. Who may push code may set anything.",
    )
    spiders_timeout_s: float = option(
        "60s", kinds.DURATION, "How long a pushed project may take to list its spiders."
    )
    report_interval_s: float = option(
        "5s", kinds.POSITIVE_DURATION, "How often a running crawl reports its counts."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionConfig:
    """What is removed with time. A job goes together with its log and items."""

    finished_age_s: float = option(
        "30d", kinds.DURATION, "How long a finished job is kept; 0: for ever."
    )
    finished_per_spider: int = option(
        "500", kinds.whole(0), "How many finished jobs of one spider are kept; 0: all."
    )
    job_files: int = option(
        "10000",
        kinds.whole(0),
        "How many files that a run has left in its directory are kept with its job; 0: none.",
    )
    job_files_size_bytes: int = option(
        "100MiB",
        kinds.SIZE,
        "How large the files that are kept with a job may be together; what does not fit is left "
        "out, and the list of the job's files says so.",
    )
    versions_per_project: int = option(
        "10",
        kinds.whole(1),
        "How many versions of a project are kept; one that a job still needs always is.",
    )
    audit_age_s: float = option(
        "365d",
        kinds.DURATION,
        "How long it is kept who did what, of which there are 100,000 lines at most; 0: until "
        "there are as many.",
    )
    trash_age_s: float = option(
        "7d",
        kinds.DURATION,
        "How long archives and spiders' data that nobody needs any more are kept in the "
        "directory `trash` of the data directory before they are deleted; 0: not at all.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectConfig:
    """What differs for one project; an empty option falls back to [crawls].

    `environment` adds to that of [crawls].
    """

    launcher: LauncherName | None = option(
        "",
        kinds.optional(_LAUNCHER),
        "How a crawl of this project is started, and the process that lists its spiders: "
        "`fork` or `spawn`.",
    )
    slots: int | None = option(
        "",
        kinds.optional(kinds.whole(0)),
        "How many crawls of this project run at the same time; 0: no limit.",
    )
    spider_slots: int | None = option(
        "",
        kinds.optional(kinds.whole(0)),
        "How many crawls of one of its spiders run at the same time; 0: no limit.",
    )
    job_timeout_s: float | None = option(
        "",
        kinds.optional(kinds.DURATION),
        "How long a crawl of this project may run; 0: no limit.",
    )
    stall_timeout_s: float | None = option(
        "",
        kinds.optional(kinds.DURATION),
        "How long a crawl of this project may show no progress; 0: no limit.",
    )
    memory_limit_bytes: int | None = option(
        "",
        kinds.optional(kinds.SIZE),
        "How much memory a crawl of this project may hold; 0: no limit.",
    )
    environment: Mapping[str, str] = option(
        "",
        kinds.GRANTS,
        "What crawls of this project find in their environment beside that of [crawls].",
        secret=True,
    )
    cloud_access: bool | None = option(
        "",
        kinds.optional(kinds.FLAG),
        "Whether crawls of this project may reach this daemon as jobs of Scrapy Cloud do.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything that is configured. `warnings` are sentences for whoever starts the daemon.

    `origins` says of section and option which file or variable gave the value; what is not
    there has its default.
    """

    scrapy_do: ScrapyDoConfig = field(default_factory=ScrapyDoConfig)
    web: WebConfig = field(default_factory=WebConfig)
    crawls: CrawlConfig = field(default_factory=CrawlConfig)
    retention: RetentionConfig = field(default_factory=RetentionConfig)
    projects: Mapping[str, ProjectConfig] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    origins: Mapping[tuple[str, str], str] = field(default_factory=dict, compare=False)

    def masked(self) -> Mapping[str, Mapping[str, str]]:
        """Return section, option and value as text for people, secrets replaced by stars."""
        sections: dict[str, Any] = {name: getattr(self, attribute(name)) for name in SECTIONS}
        sections |= {f"{PROJECT_PREFIX}{name}": value for name, value in self.projects.items()}
        return {
            section: {option_name(one): _shown(values, one) for one in fields(values)}
            for section, values in sections.items()
        }


SECTIONS: Mapping[str, type[Any]] = {
    "scrapy-do": ScrapyDoConfig,
    "web": WebConfig,
    "crawls": CrawlConfig,
    "retention": RetentionConfig,
}
"""The sections by the name they have in the file; each project may add one of its own."""


def option_name(declared: "Field[Any]") -> str:
    """Return the name that an option has in the file."""
    name = declared.name
    for unit in _UNITS:
        name = name.removesuffix(unit)
    return name.replace("_", "-")


def variable_name(section: str, declared: "Field[Any]") -> str:
    """Return the environment variable that sets an option."""
    return f"{ENVIRONMENT_PREFIX}{section}_{option_name(declared)}".replace("-", "_").upper()


def attribute(section: str) -> str:
    """Return the name that a section has in `Config`."""
    return section.replace("-", "_")


def _shown(values: object, declared: "Field[Any]") -> str:
    """Return a value as text for people."""
    value = getattr(values, declared.name)
    if declared.metadata["secret"]:
        return HIDDEN if value else ""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ", ".join(str(one) for one in value)
    if isinstance(value, float):
        return f"{value:.15g}"
    return "" if value is None else str(value)
