"""The form that runs a spider: arguments, settings, the rest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from scrapy_do.core.filter import JobFilter
from scrapy_do.core.item_filter import text_of
from scrapy_do.core.job import DEFAULT_PRIORITY, Job, JobRequest
from scrapy_do.core.project import Project, check_name
from scrapy_do.errors import BadArgument, ProjectNotFound
from scrapy_do.operations.operations import Operations
from scrapy_do.ui.addresses import curl, scrapy_do_order
from scrapy_do.ui.render import PageView
from scrapy_do.web.params import Params

SPARE_ROWS = 2
EARLIER_JOBS = 100
MOST_VALUES = 50
LONGEST_TIMEOUT_S = 366 * 86400
SETTINGS = (
    "LOG_LEVEL",
    "CLOSESPIDER_ITEMCOUNT",
    "CLOSESPIDER_PAGECOUNT",
    "CLOSESPIDER_TIMEOUT",
    "CONCURRENT_REQUESTS",
    "DOWNLOAD_DELAY",
    "ROBOTSTXT_OBEY",
    "DEPTH_LIMIT",
    "USER_AGENT",
)
"""What people change for one run."""

PRIORITIES = ((4, "highest"), (3, "high"), (2, "normal"), (1, "low"), (0, "lowest"))

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFields:
    """What stands in the form, as text."""

    project: str = ""
    spider: str = ""
    version: str = ""
    arguments: Pairs = ()
    settings: Pairs = ()
    priority: str = str(DEFAULT_PRIORITY)
    tags: str = ""
    timeout: str = ""
    description: str = ""

    @classmethod
    def of(cls, params: Params) -> "RunFields":
        """Read a form that was sent, or an address that fills it in."""
        return cls(
            project=params.optional_text("project", ""),
            spider=params.optional_text("spider", ""),
            version=params.optional_text("version", ""),
            arguments=_rows(params, "arg"),
            settings=_rows(params, "setting"),
            priority=params.optional_text("priority", str(DEFAULT_PRIORITY)),
            tags=" ".join(params.texts("tag")),
            timeout=params.optional_text("timeout", ""),
            description=params.optional_text("description", ""),
        )

    @classmethod
    def of_job(cls, job: Job) -> "RunFields":
        """What a job was given, for the version that is current now."""
        request = job.request
        return cls(
            project=request.project,
            spider=request.spider,
            arguments=tuple(request.arguments.items()),
            settings=tuple((name, text_of(value)) for name, value in request.settings.items()),
            priority=str(request.priority),
            tags=" ".join(request.tags),
            timeout="" if request.timeout_s is None else f"{request.timeout_s:g}",
            description=request.description,
        )

    def api_fields(self) -> list[tuple[str, str]]:
        """The same as fields of `schedule-job.json`."""
        given = [("project", self.project), ("spider", self.spider), ("when", "now")]
        given += [("arg", f"{name}={value}") for name, value in self.arguments]
        given += [("setting", f"{name}={value}") for name, value in self.settings]
        given += [("tag", tag) for tag in self.tags.replace(",", " ").split()]
        if self.priority != str(DEFAULT_PRIORITY):
            given.append(("priority", self.priority))
        for name, value in (
            ("version", self.version),
            ("timeout", self.timeout),
            ("description", self.description),
        ):
            given += [(name, value)] if value else []
        return given


def _rows(params: Params, name: str) -> Pairs:
    """Read rows of name and value, and `NAME=VALUE` of an address; empty rows are left out."""
    pairs = [text.partition("=")[::2] for text in params.texts(name)]
    names, values = params.texts(f"{name}-name"), params.texts(f"{name}-value")
    pairs += list(zip(names, values, strict=False))
    return tuple((key.strip(), value) for key, value in pairs if key.strip() or value)


def form_request(fields: RunFields, params: Params) -> JobRequest:
    """What the form asks for.

    Raises:
        BadArgument: a field is wrong; it is named.
    """
    for field_name, pairs in (("arg", fields.arguments), ("setting", fields.settings)):
        for name, value in pairs:
            if not name:
                raise BadArgument(field_name, f"the value {value[:60]!r} has no name")
    return JobRequest(
        project=fields.project,
        spider=fields.spider,
        version=fields.version or None,
        arguments=dict(fields.arguments),
        settings=dict(fields.settings),
        priority=params.integer("priority", minimum=0, maximum=4, default=DEFAULT_PRIORITY),
        tags=tuple(
            dict.fromkeys(check_name(tag, "tag") for tag in fields.tags.replace(",", " ").split())
        ),
        timeout_s=params.number("timeout", minimum=0, maximum=LONGEST_TIMEOUT_S, default=None)
        if fields.timeout
        else None,
        description=fields.description,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunForm:
    """What the page shows. `earlier` are values that arguments had, by their name."""

    fields: RunFields
    argument_rows: Pairs
    setting_rows: Pairs
    projects: Sequence[Project]
    spiders: Sequence[str]
    versions: Sequence[str]
    earlier: Mapping[str, Sequence[str]] = field(default_factory=dict)
    problem: str = ""
    wrong: str = ""
    commands: Sequence[str] = ()
    priorities: Sequence[tuple[int, str]] = PRIORITIES
    known_settings: Sequence[str] = SETTINGS

    @property
    def odd(self) -> list[str]:
        """Names of arguments that no job of this spider ever had, where any is known."""
        if not self.earlier:
            return []
        return [name for name, _ in self.fields.arguments if name and name not in self.earlier]


async def run_form(
    operations: Operations,
    fields: RunFields,
    *,
    base: str,
    user: str,
    error: Exception | None = None,
) -> PageView:
    """Gather the form around what stands in it."""
    projects = [one for one in await operations.projects.all() if one.current is not None]
    if not fields.project and len(projects) == 1:
        fields = replace(fields, project=projects[0].name)
    spiders: Sequence[str] = ()
    versions: Sequence[str] = ()
    for one in projects:
        if one.name == fields.project and one.current is not None:
            spiders = sorted(one.current.spiders)
            versions = [known.label for known in await operations.projects.versions(one.name)]
    spare = (("", ""),) * SPARE_ROWS
    return PageView(
        template="run.html",
        title=f"Run {fields.spider}" if fields.spider else "Run a spider",
        room="projects",
        status=400 if error else 200,
        view=RunForm(
            fields=fields,
            argument_rows=(*fields.arguments, *spare),
            setting_rows=(*fields.settings, *spare),
            projects=projects,
            spiders=spiders,
            versions=versions,
            earlier=await _earlier(operations, fields),
            problem="" if error is None else str(error),
            wrong=error.name if isinstance(error, BadArgument) else "",
            commands=(
                scrapy_do_order(base, fields.api_fields()),
                curl(base, user, "/schedule-job.json", fields.api_fields()),
            ),
        ),
    )


async def _earlier(operations: Operations, fields: RunFields) -> Mapping[str, Sequence[str]]:
    """The values that arguments of this spider had, newest first."""
    if not fields.project or not fields.spider:
        return {}
    wanted = JobFilter(project=fields.project, spider=fields.spider, limit=EARLIER_JOBS)
    try:
        jobs = await operations.jobs.find(wanted)
    except ProjectNotFound:
        return {}
    values: dict[str, dict[str, None]] = {}
    for job in jobs:
        for name, value in job.request.arguments.items():
            values.setdefault(name, {}).setdefault(value)
    return {name: tuple(seen)[:MOST_VALUES] for name, seen in values.items()}
