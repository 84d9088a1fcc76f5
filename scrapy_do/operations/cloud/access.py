"""What a crawl of ours needs to reach this daemon as a job of Scrapy Cloud reaches its own.

The official client, made without arguments inside a crawl, then reads and writes that
job's data with the job's token. Only projects that were granted it get it.
"""

from collections.abc import Callable, Mapping

from scrapy_do.core.job import Job
from scrapy_do.operations.cloud.tokens import JobTokens

_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - nothing listens here


class CloudAccess:
    """Makes the variables of the environment that let a crawl come in.

    `is_granted` says of a project, by its name, whether its crawls may; `base_url` is the
    first address that is listened on, without a final slash, None before there is one.
    """

    def __init__(
        self,
        *,
        tokens: JobTokens,
        is_granted: Callable[[str], bool],
        base_url: Callable[[], str | None],
    ) -> None:
        self._tokens = tokens
        self._is_granted = is_granted
        self._base_url = base_url

    async def environment(self, job: Job) -> Mapping[str, str]:
        """The variables of a job; none when its project was not granted them.

        Source: Scrapy Cloud, the environment of a job.
        """
        base_url = self._base_url()
        if base_url is None or not self._is_granted(job.request.project):
            return {}
        credentials = f"{job.key}:{await self._tokens.issue(job)}"
        return {
            "SHUB_APIURL": f"{base_url}/api/",
            "SHUB_JOBAUTH": credentials.encode("ascii").hex(),
            "SHUB_JOBKEY": str(job.key),
            "SHUB_STORAGE": base_url,
        }


def reachable(scheme: str, host: str, port: int) -> str:
    """The URL under which this machine reaches an address that is listened on."""
    return f"{scheme}://{_ANY_ADDRESS.get(host, host)}:{port}"
