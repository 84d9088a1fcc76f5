"""Every domain error, in five families.

A family decides the HTTP status (`web/status.py`), a class carries the fields of
its message, and its docstring says when it is raised and whether repeating the
same request can help.
"""

from collections.abc import Iterable

__all__ = [
    "AccountNotFound",
    "AlreadyScheduled",
    "BadArchive",
    "BadArgument",
    "BadPayload",
    "BadSearch",
    "BadWhen",
    "ConfigError",
    "Conflict",
    "DataDirectoryInUse",
    "DatabaseInUse",
    "Denied",
    "DuplicateJob",
    "ForeignOrigin",
    "Invalid",
    "InvalidTransition",
    "JobNotActive",
    "JobNotFound",
    "LaunchFailed",
    "LogNotFound",
    "NameTaken",
    "NewerSchema",
    "NoSpace",
    "NotAuthenticated",
    "NotFound",
    "NotPermitted",
    "OutOfMeans",
    "ProjectInUse",
    "ProjectNotFound",
    "ScheduleNotFound",
    "ScheduleOver",
    "ScrapyDoError",
    "ShuttingDown",
    "SpiderInUse",
    "SpiderNotFound",
    "StaleJob",
    "StoreUnavailable",
    "TooLarge",
    "TooManyConnections",
    "TooManyGuesses",
    "Unavailable",
    "ValueNotFound",
    "VersionNotFound",
    "WrongDatabase",
    "WrongHost",
]


class ScrapyDoError(Exception):
    """The root of all errors that we raise on purpose."""


# --- the five families -------------------------------------------------------------------------


class NotFound(ScrapyDoError):
    """What was named does not exist. Repeating does not help."""


class Invalid(ScrapyDoError):
    """The request cannot mean anything. Repeating does not help."""


class Conflict(ScrapyDoError):
    """The request is right but not in the present state of things. Repeating later may help."""


class Denied(ScrapyDoError):
    """Who asks, or from where, may not do this. Repeating does not help."""


class Unavailable(ScrapyDoError):
    """The daemon cannot do it now. Nothing was changed; repeating helps."""


# --- not found ---------------------------------------------------------------------------------


class ProjectNotFound(NotFound):
    """No project of this name was pushed."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Unknown project {name}")
        self.name = name


class SpiderNotFound(NotFound):
    """The version of the project that would run has no spider of this name."""

    def __init__(self, project: str, spider: str) -> None:
        super().__init__(f"Unknown spider {project}/{spider}")
        self.project = project
        self.spider = spider


class VersionNotFound(NotFound):
    """The project has no such version, or it was pruned."""

    def __init__(self, project: str, version: str) -> None:
        super().__init__(f"Unknown version {version} of project {project}")
        self.project = project
        self.version = version


class JobNotFound(NotFound):
    """No job or schedule of this identifier."""

    def __init__(self, job_id: object) -> None:
        super().__init__(f'No such job: "{job_id}"')
        self.job_id = job_id


class ScheduleNotFound(NotFound):
    """No schedule of this identifier."""

    def __init__(self, schedule_id: object) -> None:
        super().__init__(f'No such schedule: "{schedule_id}"')
        self.schedule_id = schedule_id


class AmbiguousName(Invalid):
    """The beginning of an identifier, of more than one job or schedule."""

    def __init__(self, name: str, found: Iterable[object]) -> None:
        shown = ", ".join(str(one) for one in found)
        super().__init__(f'"{name}" is the beginning of several: {shown}; give more of it')


class LogNotFound(NotFound):
    """The job is unknown, has not started yet, or its files were pruned."""

    def __init__(self) -> None:
        super().__init__("File not found")


class AccountNotFound(NotFound):
    """There is no user, or no token that is not revoked, of this name."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f'No such {kind}: "{name}"')
        self.kind = kind
        self.name = name


class ValueNotFound(NotFound):
    """A collection has no value of this key."""

    def __init__(self) -> None:
        super().__init__("Not Found")


# --- invalid -----------------------------------------------------------------------------------


class BadArgument(Invalid):
    """A parameter is missing, repeated, or not of its type; the message names it."""

    def __init__(self, name: str, problem: str | None = None) -> None:
        super().__init__(f"Missing argument: {name}" if problem is None else f"{name}: {problem}")
        self.name = name


class BadWhen(Invalid):
    """A scheduling specification that means nothing; the message ends with a right example."""


class BadSearch(Invalid):
    """A part of a search for jobs means nothing: the text from `begin` to before `end`."""

    def __init__(self, problem: str, text: str, begin: int, end: int) -> None:
        super().__init__(f"{text[begin:end][:100]!r}: {problem}")
        self.problem = problem
        self.text = text
        self.begin = begin
        self.end = end


class BadPayload(Invalid):
    """The payload of a job is not JSON."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"Payload is not a valid JSON string: {problem}")


class BadArchive(Invalid):
    """A project archive that is unsafe, broken, or whose spiders cannot be listed.

    `traceback` is the project's own output where it was the project that failed, `warnings`
    are what was known of the archive before.
    """

    def __init__(self, problem: str, *, traceback: str | None = None) -> None:
        super().__init__(problem)
        self.traceback = traceback
        self.warnings: tuple[str, ...] = ()


class TooLarge(Invalid):
    """A body, a field or an archive above its limit (status 413)."""

    def __init__(self, what: str, limit_bytes: int) -> None:
        super().__init__(f"{what} is larger than the limit of {limit_bytes} bytes")
        self.limit_bytes = limit_bytes


# --- conflict ----------------------------------------------------------------------------------


class ProjectInUse(Conflict):
    """The project has schedules, so it is not removed."""

    def __init__(self, name: str, schedules: int) -> None:
        super().__init__(f'There are {schedules} scheduled spiders for project "{name}"')


class SpiderInUse(Conflict):
    """A push would drop a spider that has schedules."""

    def __init__(self, spider: str, schedules: Iterable[object] = ()) -> None:
        named = ", ".join(str(schedule) for schedule in schedules)
        super().__init__(
            f"Spider {spider} is going to be removed but has scheduled jobs"
            + (f": {named}; push with force=1 to do it anyway" if named else "")
        )
        self.spider = spider


class DuplicateJob(Conflict):
    """An active job with the same uniqueness key exists."""

    def __init__(self, unique: str) -> None:
        super().__init__(f"Active job exists with key {unique}")
        self.unique = unique


class AlreadyScheduled(DuplicateJob):
    """An active job of the spider with the same arguments exists."""

    def __init__(self, spider: str, unique: str) -> None:
        super().__init__(unique)
        self.args = (f"{spider} already scheduled",)


class JobNotActive(Conflict):
    """The job has already ended, so there is nothing to cancel."""

    def __init__(self, job_id: object) -> None:
        super().__init__(f"Job {job_id} is not active")


class ScheduleOver(Conflict):
    """The schedule is in a state that does not allow what was asked."""

    def __init__(self, schedule_id: object, state: str) -> None:
        super().__init__(f"Schedule {schedule_id} does not allow this: its state is {state}")


class InvalidTransition(Conflict):
    """An event that the job's state does not know; a bug unless a client drives the job."""

    def __init__(self, state: str, event: str) -> None:
        super().__init__(f"A job in state {state} does not know the event {event}")


class StaleJob(Conflict):
    """The stored job is no longer what the caller read. Reading again and repeating helps."""


class NameTaken(Conflict):
    """A user, or a token that is not revoked, has this name."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f'There is a {kind} "{name}" already')
        self.kind = kind
        self.name = name


class DataDirectoryInUse(Conflict):
    """Another daemon owns the data directory."""


class DatabaseInUse(Conflict):
    """Another daemon, with another data directory, owns the database."""


class NewerSchema(Conflict):
    """The database was written by a newer version of this program."""


# --- denied ------------------------------------------------------------------------------------


class NotAuthenticated(Denied):
    """Credentials are needed and absent or wrong (status 401)."""


class TooManyGuesses(Denied):
    """Too many wrong credentials came from an address (status 429); these were not looked at.

    `wait_s` is after how long others are.
    """

    def __init__(self, address: str, wait_s: float) -> None:
        self.wait_s = int(wait_s) + 1
        super().__init__(
            f"Too many wrong credentials came from {address or 'here'}; "
            f"try again in {self.wait_s} s"
        )


class NotPermitted(Denied):
    """Who asks is known and may not do this."""


class ForeignOrigin(Denied):
    """A browser sent the request for a page that is not ours."""


class WrongHost(Denied):
    """The Host header names a host that is not ours (status 421)."""


# --- unavailable -------------------------------------------------------------------------------


class LaunchFailed(Unavailable):
    """A crawl could not be started; no process is left behind."""


class StoreUnavailable(Unavailable):
    """The database is locked, gone or refuses to write."""


class WrongDatabase(StoreUnavailable):
    """The database is damaged, or not the one of the data directory; nothing was changed.

    `problem` says what was found, `copies` are the names of those that could be restored.
    """

    def __init__(self, problem: str, copies: Iterable[str] = ()) -> None:
        kept = ", ".join(copies)
        super().__init__(
            f"{problem}; restore a copy with `scrapy-do db restore` (kept: {kept or 'none'}), or "
            "go on with what is there with `scrapy-do db restore --in-place`, or start anew with "
            "`scrapy-do serve --new`"
        )
        self.problem = problem


class ShuttingDown(Unavailable):
    """The daemon is stopping and takes no new work."""


class TooManyConnections(Unavailable):
    """As many connections are open, or answers under way, as are allowed at once."""

    def __init__(self) -> None:
        super().__init__("Too many connections are open here; try again in a moment")


class OutOfMeans(Unavailable):
    """The system gives the daemon no descriptor, no memory or no answer of its disk."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"The server cannot do this now: {problem}")


class NoSpace(Unavailable):
    """The disk is full (status 507)."""


# --- start-up ----------------------------------------------------------------------------------


class ConfigError(ScrapyDoError):
    """A configuration option is unknown or wrong; the daemon does not start."""

    def __init__(self, section: str, option: str, problem: str) -> None:
        super().__init__(f"[{section}] {option}: {problem}")
        self.section = section
        self.option = option
