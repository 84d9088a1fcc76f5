"""The bytes between the daemon and a crawl: what to run, how it goes, how it went.

Values and their JSON, the only place where it is written and read: `CrawlSpec`, what to run
and where (daemon to crawl, once, before the start), `Report` (crawl to daemon, a small complete
snapshot every few seconds), `Result` (crawl to its run directory, at times and at the end), and
the question for a project's spiders with its answer. All times are milliseconds since the
epoch, sizes are bytes, durations are seconds.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from uuid import UUID

from scrapy_do.protocol.facts import Progress
from scrapy_do.protocol.frames import JSON, BadFrame, FrameReader

MARK = "SCRAPY_DO_RUN"
"""The environment variable that names the run in each of its processes."""

MARK_PLACEHOLDER = "-" * 64
"""Its value in the warm parent: room for the mark of any run."""

LONGEST_SPIDER_NAME_BYTES = 1000
"""Of UTF-8: what an index of every database and a request line can hold."""

RESERVED_ARGUMENTS = frozenset({"self", "cls", "name", "crawler", "crawler_or_spidercls"})
"""Names that Scrapy's own calls use for themselves: a spider can never receive them.

Every other name is passed on, as `scrapy crawl -a` does: spiders get keyword arguments, whose
names need be no Python names."""

WARNING_STAT = "scrapy_do/warning"
"""The statistic in which a crawl says what its author should know."""

MAX_SPEC_BYTES = 4 * 1024 * 1024
MAX_REPORT_BYTES = 64 * 1024
MAX_RESULT_BYTES = 4 * 1024 * 1024
MAX_LISTING_S = 60.0

# What a holder announces to its launcher, once. A start is followed by its record, a failure
# by its reason.
STARTED_ANNOUNCEMENT = b"started "
TAKEN_ANNOUNCEMENT = b"taken"
FAILED_ANNOUNCEMENT = b"failed "

# What the warm parent is asked to fork; two descriptors come along: in and out.
CRAWL_ORDER = b"crawl"
LISTING_ORDER = b"listing"


def spider_name_problem(name: object) -> str | None:
    """Say why nobody can run a spider of this name; None when it can be run.

    Names are texts for people and never become paths, so most can: what Scrapy finds by its
    name, an environment variable can hold and a database can store.
    """
    if not isinstance(name, str):
        return f"its name is no text but of type {type(name).__name__}"
    if not name:
        return "its name is empty"
    if "\0" in name:
        return "its name has a NUL character, which no command line can hold"
    try:
        size_bytes = len(name.encode())
    except UnicodeEncodeError:
        return "its name has half a character (a surrogate), which is no text of Unicode"
    if size_bytes > LONGEST_SPIDER_NAME_BYTES:
        return f"its name is longer than {LONGEST_SPIDER_NAME_BYTES} bytes"
    return None


class StartMethod(StrEnum):
    """How a process comes to life: a copy of one that has Scrapy loaded, or a new interpreter."""

    FORK = "fork"
    SPAWN = "spawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlLimits:
    """What a crawl may use; None means no limit of ours.

    The kernel refuses the first four. `processes` counts all processes and threads of the
    user, not of the crawl: it is of use only when crawls have a user of their own.
    `log_bytes` caps each of `out`, `err` and `log`: what is more is dropped and counted, see
    `crawl/streams.py`. `memusage_limit_mb` is Scrapy's own soft limit, in MiB of resident
    memory.
    """

    address_space_bytes: int | None = None
    open_files: int | None = None
    processes: int | None = None
    file_size_bytes: int | None = None
    log_bytes: int | None = None
    memusage_limit_mb: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Confinement:
    """What a project's code is kept from, where the kernel can do that: see `landlock`.

    It writes below its own directories and below `writable` only, and reads nothing below
    `hidden` but what is its own. All are absolute.
    """

    is_on: bool = False
    writable: Sequence[Path] = ()
    hidden: Sequence[Path] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlOrder:
    """What to run, on whatever machine: nothing in it is a path or an interpreter.

    `environment` are the variables that the crawl is given; of those the `Placement` makes it
    wins. What Python itself reads at its start, such as PYTHONPATH, comes too late for the crawl
    and counts for its children only.
    """

    job_id: UUID
    attempt: int
    project: str
    version: str
    settings_module: str
    spider: str
    arguments: Mapping[str, str]
    settings: Mapping[str, JSON]
    environment: Mapping[str, str]
    limits: CrawlLimits = field(default_factory=CrawlLimits)
    report_interval_s: float = 5.0

    def __post_init__(self) -> None:
        problem = spider_name_problem(self.spider)
        if problem is not None:
            raise BadFrame(f"spider: {self.spider[:100]!r} cannot be run: {problem}")
        for name in self.arguments:
            if not name or name in RESERVED_ARGUMENTS:
                raise BadFrame(f"arguments: {name[:100]!r} is not a usable argument name")
        check_environment(self.environment)
        if self.report_interval_s <= 0:
            raise BadFrame("report_interval_s: must be above 0")

    @property
    def mark(self) -> str:
        """The value of the `MARK` in the environment of every process of this run."""
        return f"{self.job_id}.{self.attempt}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where an order is carried out: the directories of one machine, and an interpreter of it.

    `project_dir` is the crawl's own copy of the project, and its current directory; `run_dir`
    is for the records of the holder, out of the crawl's sight; `result` is the file of the
    crawl's own last words. `out` and `err` are appended to. `items`, `requests`, `log` and
    `samples` are the record files; None means that this kind is not captured. `environment`
    are the variables that name directories. `reports_socket` is filled in by the launcher.
    `python` is the interpreter; it must be able to import this package.
    """

    run_dir: Path
    project_dir: Path
    result: Path
    out: Path
    err: Path
    items: Path | None
    requests: Path | None
    log: Path | None
    samples: Path | None
    environment: Mapping[str, str]
    start_method: StartMethod
    python: str
    reports_socket: Path | None = None
    confinement: Confinement = field(default_factory=Confinement)

    def __post_init__(self) -> None:
        check_environment(self.environment)

    @property
    def own(self) -> tuple[Path, ...]:
        """The directories in which the crawl and its recorder write."""
        named = (Path(path) for path in self.environment.values())
        return (self.result.parent, self.project_dir, self.out.parent, *named)


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlSpec:
    """Everything that one run of one spider needs, complete: nothing else is looked up."""

    order: CrawlOrder
    placement: Placement

    @property
    def environment(self) -> Mapping[str, str]:
        """The crawl's whole environment.

        Only the `MARK`, `SCRAPY_SETTINGS_MODULE` and `SCRAPY_DO_JOB` (unless given) are added.
        """
        return {**self.placement.environment, **self.order.environment}


def check_environment(environment: Mapping[str, str]) -> None:
    """Refuse variables that no process can have.

    Raises:
        BadFrame: it names one.
    """
    for name, value in environment.items():
        if not name or "=" in name or "\0" in name + value:
            raise BadFrame(f"environment: {name[:100]!r} cannot be set")


class ReportKind(StrEnum):
    """When in its life a crawl reports."""

    OPENED = "opened"
    PROGRESS = "progress"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A complete snapshot of a running crawl: a later one replaces an earlier one.

    Its progress is without `stats` when they do not fit into one report.
    """

    job_id: UUID
    attempt: int
    kind: ReportKind
    time_ms: int
    progress: Progress = field(default_factory=Progress)
    close_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What the crawl itself says; the exit record says how its process ended.

    Written when the spider opens, with each report, and for good at the end: a crawl that
    is killed leaves the last one. `close_reason` is None when Scrapy has not closed the
    spider. `printed_errors` are those of the errors that were not logged but printed to stderr.
    """

    opened: bool
    close_reason: str | None
    time_ms: int
    progress: Progress = field(default_factory=Progress)
    printed_errors: int = 0


LISTING_OUTPUT = ".scrapy-do-output"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpidersRequest:
    """Which unpacked project to ask for its spiders, and what it may use meanwhile.

    `work_dir` is an empty directory for whatever the project writes; the asker removes it. What
    the project prints can be read there while it goes on, in `LISTING_OUTPUT`, up to a bound.
    `mark` is filled in by the launcher: the value of the `MARK` of each process.
    """

    project_dir: Path
    work_dir: Path
    settings_module: str
    environment: Mapping[str, str]
    start_method: StartMethod
    python: str
    limits: CrawlLimits = field(default_factory=CrawlLimits)
    confinement: Confinement = field(default_factory=Confinement)
    timeout_s: float = MAX_LISTING_S
    mark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpidersAnswer:
    """The names of a project's spiders that can be run, or else the problem in a few words.

    `warnings` are what the project's author should know. `output` is the end of what the
    project printed.
    """

    names: Sequence[str]
    warnings: Sequence[str] = ()
    problem: str | None
    output: str

    def __post_init__(self) -> None:
        if any(spider_name_problem(name) is not None for name in self.names):
            raise BadFrame("names: one of them cannot be run")


# --- JSON --------------------------------------------------------------------------------------


def encode(value: CrawlSpec | Report | Result | SpidersRequest | SpidersAnswer) -> bytes:
    """Return the value as one line of JSON."""
    return _line(_plain(value))


def encode_report(report: Report) -> bytes:
    """Return the report as one datagram, without its stats when they do not fit."""
    frame = encode(report)
    if len(frame) <= MAX_REPORT_BYTES:
        return frame
    return _line({**_plain(report), "stats": {}})


def encode_result(result: Result) -> bytes:
    """Return the result as one line of JSON, without its stats when they are too many."""
    frame = encode(result)
    if len(frame) <= MAX_RESULT_BYTES:
        return frame
    dropped = {"scrapy_do/dropped/stats": len(result.progress.stats)}
    return _line({**_plain(result), "stats": dropped})


def decode_spec(frame: bytes) -> CrawlSpec:
    """Read a crawl specification.

    Raises:
        BadFrame: the bytes are not one.
    """
    reader = FrameReader.of_frame("spec", frame)
    order = FrameReader("order", reader.mapping("order"))
    placement = FrameReader("placement", reader.mapping("placement"))
    return CrawlSpec(order=_order(order), placement=_placement(placement))


def _order(reader: FrameReader) -> CrawlOrder:
    return CrawlOrder(
        job_id=reader.uuid("job_id"),
        attempt=reader.whole("attempt"),
        project=reader.text("project"),
        version=reader.text("version"),
        settings_module=reader.text("settings_module"),
        spider=reader.text("spider"),
        arguments=reader.texts("arguments"),
        settings=reader.mapping("settings"),
        environment=reader.texts("environment"),
        limits=_limits(reader),
        report_interval_s=reader.number("report_interval_s"),
    )


def _placement(reader: FrameReader) -> Placement:
    return Placement(
        run_dir=Path(reader.text("run_dir")),
        project_dir=Path(reader.text("project_dir")),
        result=Path(reader.text("result")),
        out=Path(reader.text("out")),
        err=Path(reader.text("err")),
        items=reader.path_or_none("items"),
        requests=reader.path_or_none("requests"),
        log=reader.path_or_none("log"),
        samples=reader.path_or_none("samples"),
        environment=reader.texts("environment"),
        start_method=reader.word("start_method", StartMethod),
        python=reader.text("python"),
        reports_socket=reader.path_or_none("reports_socket"),
        confinement=_confinement(reader),
    )


def decode_report(frame: bytes) -> Report:
    """Read a report.

    Raises:
        BadFrame: the bytes are not one.
    """
    reader = FrameReader.of_frame("report", frame)
    return Report(
        job_id=reader.uuid("job_id"),
        attempt=reader.whole("attempt"),
        kind=reader.word("kind", ReportKind),
        time_ms=reader.moment_ms("time_ms"),
        progress=_progress(reader, reader.values("stats")),
        close_reason=reader.words_or_none("close_reason"),
    )


def decode_result(frame: bytes) -> Result:
    """Read a result.

    Raises:
        BadFrame: the bytes are not one.
    """
    reader = FrameReader.of_frame("result", frame)
    return Result(
        opened=reader.flag("opened"),
        close_reason=reader.words_or_none("close_reason"),
        time_ms=reader.moment_ms("time_ms"),
        progress=_progress(reader, reader.values("stats")),
        printed_errors=reader.count("printed_errors"),
    )


def decode_spiders_request(frame: bytes) -> SpidersRequest:
    """Read a request for spiders.

    Raises:
        BadFrame: the bytes are not one.
    """
    reader = FrameReader.of_frame("spiders request", frame)
    return SpidersRequest(
        project_dir=Path(reader.text("project_dir")),
        work_dir=Path(reader.text("work_dir")),
        settings_module=reader.text("settings_module"),
        environment=reader.texts("environment"),
        start_method=reader.word("start_method", StartMethod),
        python=reader.text("python"),
        limits=_limits(reader),
        confinement=_confinement(reader),
        timeout_s=reader.number("timeout_s"),
        mark=reader.text("mark"),
    )


def decode_spiders_answer(frame: bytes) -> SpidersAnswer:
    """Read the answer to a request for spiders.

    Raises:
        BadFrame: the bytes are not one.
    """
    reader = FrameReader.of_frame("spiders answer", frame)
    return SpidersAnswer(
        names=reader.texts_in_order("names"),
        warnings=reader.texts_in_order("warnings"),
        problem=reader.text_or_none("problem"),
        output=reader.text("output"),
    )


def _limits(reader: FrameReader) -> CrawlLimits:
    limits = FrameReader("limits", reader.mapping("limits"))
    return CrawlLimits(**{one.name: limits.whole_or_none(one.name) for one in fields(CrawlLimits)})


def _confinement(reader: FrameReader) -> Confinement:
    confinement = FrameReader("confinement", reader.mapping("confinement"))
    return Confinement(
        is_on=confinement.flag("is_on"),
        writable=tuple(map(Path, confinement.texts_in_order("writable"))),
        hidden=tuple(map(Path, confinement.texts_in_order("hidden"))),
    )


_COUNTS = ("items", "requests", "responses", "log_lines", "errors")


def _progress(reader: FrameReader, stats: Mapping[str, JSON]) -> Progress:
    counts = FrameReader("counts", reader.mapping("counts"))
    return Progress(
        items=counts.count("items"),
        requests=counts.count("requests"),
        responses=counts.count("responses"),
        log_lines=counts.count("log_lines"),
        errors=counts.count("errors"),
        stats=stats,
    )


def _line(plain: JSON) -> bytes:
    return json.dumps(plain, separators=(",", ":")).encode()


def _plain(value: object) -> JSON:
    """Return a value of this module as what `json` knows."""
    kind = type(value)
    if kind in _KNOWN or isinstance(value, str):
        return value
    if is_dataclass(kind):
        plain = {name: _plain(getattr(value, name)) for name in _names(kind)}
        progress = plain.pop("progress", None)
        if progress is not None:
            counts = {name: progress[name] for name in _COUNTS}
            plain |= {"counts": counts, "stats": progress["stats"]}
        return plain
    if isinstance(value, UUID | Path):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value


_KNOWN = frozenset({str, int, float, bool, type(None), dict})
"""What `json` knows anyway: most of it, and to ask what something is takes long."""


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(one.name for one in fields(kind))
