"""What a request to run a spider may carry; the same for every dialect."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from scrapy_do.core.job import JobRequest
from scrapy_do.core.project import check_name
from scrapy_do.errors import BadArgument
from scrapy_do.protocol.wire import RESERVED_ARGUMENTS

LONGEST_DESCRIPTION = 1000
MOST_TAGS = 100


class Admission:
    """Checks requests against the configuration: `allowed_settings` are names, `*` any ending."""

    def __init__(self, *, allowed_settings: Iterable[str]) -> None:
        self._allowed_settings = tuple(allowed_settings)

    def check(self, request: JobRequest) -> JobRequest:
        """Return the request if it may be accepted.

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
        for name in request.settings:
            if not any(fnmatchcase(name, allowed) for allowed in self._allowed_settings):
                raise BadArgument(
                    "setting",
                    f"{name[:100]!r} may not be set by a job; "
                    f"allowed are {', '.join(self._allowed_settings)}",
                )
        for tag in request.tags:
            check_name(tag, "tag")
        if len(request.tags) > MOST_TAGS:
            raise BadArgument("tag", f"a job has at most {MOST_TAGS} tags")
        if len(request.description) > LONGEST_DESCRIPTION:
            raise BadArgument("description", f"is longer than {LONGEST_DESCRIPTION} characters")
        return request
