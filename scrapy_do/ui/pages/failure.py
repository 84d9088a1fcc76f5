"""What went wrong: what was asked, what may be meant, where a bug is in the log."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from scrapy_do.errors import ProjectNotFound, ScrapyDoError, SpiderNotFound
from scrapy_do.operations.operations import Operations
from scrapy_do.ui.addresses import project_page, spider_page
from scrapy_do.ui.render import PageView
from scrapy_do.web.status import InternalError, UnknownPath

_TITLES = {
    401: "Log in",
    403: "Not permitted",
    404: "Not found",
    500: "Something went wrong here",
    503: "Not available now",
}
_ROOMS = (
    *("jobs", "schedules", "schedules/new", "projects", "push", "run", "compare"),
    *("system", "api"),
)
_LIKE = 0.5

Nearest = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What an error page shows: `nearest` are the addresses and words of what may be meant."""

    message: str
    reference: str
    nearest: Nearest


def failure(error: ScrapyDoError, status: int, nearest: Nearest = ()) -> PageView:
    """Gather the page."""
    if isinstance(error, UnknownPath):
        asked = error.path.removeprefix("/ui").strip("/")
        nearest = [(f"/ui/{room}", room) for room in _near(asked, _ROOMS)]
    return PageView(
        template="error.html",
        title=_TITLES.get(status, "That did not work"),
        view=Failure(
            message=str(error),
            reference=error.reference if isinstance(error, InternalError) else "",
            nearest=nearest,
        ),
        status=status,
    )


async def not_found(operations: Operations, error: ProjectNotFound | SpiderNotFound) -> PageView:
    """The page of a project or spider that is not there, with those that are called alike."""
    if isinstance(error, SpiderNotFound):
        spiders = await operations.projects.spiders(error.project)
        names = _near(error.spider, [spider.name for spider in spiders])
        return failure(error, 404, [(spider_page(error.project, name), name) for name in names])
    projects = await operations.projects.all()
    names = _near(error.name, [project.name for project in projects])
    return failure(error, 404, [(project_page(name), name) for name in names])


def _near(asked: str, known: Iterable[str]) -> list[str]:
    """What is called like something that is not there, the most alike first."""
    return get_close_matches(asked[:200], list(known)[:2000], n=2, cutoff=_LIKE)
