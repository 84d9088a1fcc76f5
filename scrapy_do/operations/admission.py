"""What a request to run a spider may carry; the same for every dialect."""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from scrapy_do.core.crawl_settings import LOADED
from scrapy_do.core.job import JSON, JobRequest
from scrapy_do.core.principal import Principal, Role
from scrapy_do.core.project import check_name
from scrapy_do.errors import BadArgument
from scrapy_do.protocol.wire import RESERVED_ARGUMENTS

LONGEST_DESCRIPTION = 1000
MOST_TAGS = 100


class Admission:
    """Says who may ask for what.

    Who may push code may set anything. Others may set `allowed_settings`, where `*` stands for
    any ending, but nothing that names code, whatever is allowed.
    """

    def __init__(self, *, allowed_settings: Iterable[str]) -> None:
        self.allowed_settings = tuple(allowed_settings)

    def check(
        self, request: JobRequest, *, by: Principal, before: JobRequest | None = None
    ) -> None:
        """Refuse what may not be asked for, as far as it is not in `before` already.

        Raises:
            BadArgument: some part of it may not; the message names it.
        """
        for name in request.arguments:
            if not name or name in RESERVED_ARGUMENTS:
                raise BadArgument(
                    "arg",
                    f"{name!r} cannot be the name of a spider argument: Scrapy uses "
                    f"{', '.join(sorted(RESERVED_ARGUMENTS))} itself",
                )
        self._check_settings(request.settings, {} if before is None else before.settings, by)
        for tag in request.tags:
            check_name(tag, "tag")
        if len(request.tags) > MOST_TAGS:
            raise BadArgument("tag", f"a job has at most {MOST_TAGS} tags")
        if len(request.description) > LONGEST_DESCRIPTION:
            raise BadArgument("description", f"is longer than {LONGEST_DESCRIPTION} characters")

    def _check_settings(
        self, settings: Mapping[str, JSON], before: Mapping[str, JSON], by: Principal
    ) -> None:
        for name, value in settings.items():
            if by.may(Role.PUSH) or (name in before and before[name] == value):
                continue
            who = f"by who has the role {by.role.name.lower()}"
            if name in LOADED:
                raise BadArgument("setting", f"{name!r} names code and may not be set {who}")
            if not any(fnmatchcase(name, allowed) for allowed in self.allowed_settings):
                allowed = ", ".join(self.allowed_settings)
                raise BadArgument(
                    "setting", f"{name[:100]!r} may not be set {who}; allowed are {allowed}"
                )
