"""What was pushed: projects, their versions, and the rule for names."""

import re
from dataclasses import dataclass
from datetime import datetime

from scrapy_do.errors import BadArgument

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
NAME_RULE = "1 to 100 letters, digits, '.', '_' or '-', the first a letter or digit"


def is_name(text: str) -> bool:
    """Whether a text can name a project, a version or a tag of the Scrapy Do API."""
    return NAME_PATTERN.fullmatch(text) is not None


def check_name(text: str, field: str) -> str:
    """Return the text if it is a name.

    Raises:
        BadArgument: it is not; the message names the field and the rule.
    """
    if not is_name(text):
        raise BadArgument(field, f"{text[:100]!r} is not a name ({NAME_RULE})")
    return text


LARGEST_NUMBER = 2**31 - 1
"""The largest number that a client may give a project: some clients keep 32 bits."""

_NUMBER = re.compile(r"[1-9][0-9]{0,17}")


def number_of(name: str) -> int | None:
    """The number that a project's name is, as it is written: `7`, but neither `07` nor `0`."""
    return int(name) if _NUMBER.fullmatch(name) else None


def check_number(number: int) -> int:
    """Return the number if it can be a project's.

    Raises:
        BadArgument: it is 0 or too large.
    """
    if not 0 < number <= LARGEST_NUMBER:
        raise BadArgument("project", f"must be a number from 1 to {LARGEST_NUMBER}")
    return number


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveRef:
    """One stored archive, named by the SHA-256 of its bytes (lower-case hex)."""

    digest: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """The versions of Python and Scrapy with which spiders are listed and run."""

    python: str
    scrapy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One pushed archive of a project.

    `id` is unique in the whole store (Scrapy Cloud's `deploy_id`); `label` is what
    people call it, unique in its project; `root` is the project's directory inside
    the archive ("" for the top). `interpreter` is that of its push, where it was noted.
    """

    id: int
    project_id: int
    label: str
    archive: ArchiveRef
    root: str
    settings_module: str
    spiders: tuple[str, ...]
    pushed_at: datetime
    pushed_by: str
    interpreter: Interpreter | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVersion:
    """A version about to be stored; without a label it gets the project's next number."""

    project: str
    label: str | None
    archive: ArchiveRef
    root: str
    settings_module: str
    spiders: tuple[str, ...]
    pushed_at: datetime
    pushed_by: str
    interpreter: Interpreter | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spider:
    """A spider's two names: its own, and its number in its project (never reused).

    A spider is `deployed` while the project's current version has it; others are
    remembered for their jobs, or were named by a Scrapy Cloud client beforehand. Its runs are
    `compared` with those before, to say what is unlike them.
    """

    project_id: int
    number: int
    name: str
    deployed: bool
    compared: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project and the version that new jobs run.

    `id` is the number that Scrapy Cloud clients use; a name that is a number is the same
    number. `current` is None for a project that was named but never pushed.
    """

    id: int
    name: str
    current: Version | None
    created_at: datetime
