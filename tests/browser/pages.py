"""The pages that are looked at in a browser: one line each, in each of their states.

`{name}` stands for a job of the seeded daemon: see `seeded.Seeded.ids`. `status` is what the
page is answered with.
"""

from dataclasses import dataclass
from urllib.parse import quote

from tests.browser.seeded import STRANGE


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A page in one of its states."""

    path: str
    status: int = 200
    most_kb: int = 60


PROJECTS = (
    Shown(path="/ui/projects"),
    Shown(path="/ui/projects/good"),
    Shown(path="/ui/projects/hostile"),
    Shown(path="/ui/projects/good/spiders/pages"),
    Shown(path="/ui/run?project=good&spider=pages&arg=category=books&setting=LOG_LEVEL=INFO"),
    Shown(path="/ui/run?project=good&spider=nothing&arg=a"),
    Shown(path="/ui/push"),
)

SERVER = (
    Shown(path="/ui/system"),
    Shown(path="/ui/api"),
    Shown(path="/ui/docs"),
    Shown(path="/ui/docs/benchmarks"),
    Shown(path="/ui/docs/how-to/tls"),
    Shown(path="/ui/compare"),
    Shown(path="/ui/compare?jobs={good},{failed}"),
    Shown(path="/ui/compare?jobs={hostile},{running}"),
    Shown(path="/ui/projects/nothing", status=404),
)

PAGES = (
    *PROJECTS,
    *SERVER,
    Shown(path="/ui/"),
    Shown(path="/ui/schedules"),
    Shown(path="/ui/schedules/new"),
    Shown(path="/ui/schedules/new?when=every+mondy"),
    Shown(path="/ui/schedules/{schedule}"),
    Shown(path="/ui/schedules/{schedule}/delete"),
    Shown(path="/ui/nowhere", status=404),
    Shown(path="/ui/jobs"),
    Shown(path="/ui/jobs?q=state:failed"),
    Shown(path="/ui/jobs?q=spider:nobody"),
    Shown(path="/ui/jobs?q=state:broken", status=400),
    Shown(path="/ui/jobs/bulk?do=delete&q="),
    Shown(path="/ui/jobs/bulk?do=again&q=&selected=1&job={good}"),
    Shown(path="/ui/jobs/{good}", most_kb=100),
    Shown(path="/ui/jobs/{good}?level=40&text=error", most_kb=100),
    Shown(path="/ui/jobs/{hostile}", most_kb=100),
    Shown(path="/ui/jobs/{failed}", most_kb=100),
    Shown(path="/ui/jobs/{running}", most_kb=100),
    Shown(path="/ui/jobs/{queued}", most_kb=100),
    Shown(path="/ui/jobs/{good}/delete"),
    Shown(path="/ui/jobs/{good}/items"),
    Shown(path="/ui/jobs/{hostile}/items"),
    Shown(path="/ui/jobs/{good}/items?field=url&match=contains&text=1"),
    Shown(path="/ui/jobs/{good}/items?field=nothing&match=has"),
    Shown(path="/ui/jobs/{hostile}/requests"),
    Shown(path="/ui/jobs/{strange}", most_kb=100),
    Shown(path="/ui/jobs/{strange}/items?field=toString&match=has"),
    Shown(path="/ui/jobs/{strange}/stats"),
    Shown(path="/ui/jobs/{strange}/files"),
    Shown(path="/ui/jobs/{strange}/delete"),
    Shown(path="/ui/compare?jobs={strange},{hostile}"),
    Shown(path="/ui/run?from={strange}"),
    Shown(path=f"/ui/spider?project=hostile&spider={quote(STRANGE)}"),
    Shown(path="/ui/jobs/{running}/requests"),
    Shown(path="/ui/jobs/{good}/stats"),
    Shown(path="/ui/jobs/{hostile}/arguments"),
    Shown(path="/ui/jobs/{good}/runs"),
    Shown(path="/ui/jobs/{good}/files"),
    Shown(path="/ui/jobs/{running}/cancel"),
)
"""On a daemon that has projects, jobs in every state and schedules."""

EMPTY = (
    Shown(path="/ui/"),
    Shown(path="/ui/schedules"),
    Shown(path="/ui/schedules/new"),
    Shown(path="/ui/jobs"),
    Shown(path="/ui/projects"),
    Shown(path="/ui/run"),
    Shown(path="/ui/push"),
)
"""On a new daemon."""
