"""Every route of every dialect and page, by everybody: who may not, may not change anything."""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from scrapy_do.api.scrapy_cloud import cloud_dialects
from scrapy_do.api.scrapy_do.routes import ScrapyDoAPI
from scrapy_do.core.job import JobRequest, Running
from scrapy_do.core.principal import Principal, Role
from scrapy_do.core.schedule import ScheduleState
from scrapy_do.core.schedule_rules import ScheduleRequest
from scrapy_do.system.passwords import token_digest
from scrapy_do.ui.login_routes import LOGIN
from scrapy_do.ui.routes import Pages
from scrapy_do.web.auth import FurtherTokens, TokenAccess
from scrapy_do.web.origin import own_hosts
from scrapy_do.web.permits import PERMITS
from scrapy_do.web.router import Route
from scrapy_do.web.sessions import Sessions
from scrapy_do.web.site import make_site
from scrapy_do.web.sse import Bell
from scrapy_do.web.tail import Tail
from tests.factories import TESTER
from tests.fakes import inline
from tests.http_client import HttpClient, healthy
from tests.world import World

PUBLIC = {"GET /ui/static/<name>", f"GET {LOGIN}", f"POST {LOGIN}", "GET /system/ts"}
"""What needs no credentials."""
HIDDEN = "hidden-spider"
_OF_CRAWLS = "api|jobq|jobs|items|logs|requests|samples|collections|hcf|activity|botgroups"
NOT_AUTHENTICATED = {401, 403, 429}
"""The dash API of Scrapy Cloud says 403 for both; 429 is for who has guessed often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What a client has received: all of an answer, or the beginning of one that goes on."""

    status: int
    text: str


class Everything:
    """All dialects of a daemon on a world with two projects; one has a job and a schedule."""

    def __init__(self, root: Path) -> None:
        self.world = world = World(root).start()
        principals = [Principal(name=role.name.lower(), role=role) for role in Role]
        # It sees project 1 alone, and may bring code there.
        principals.append(Principal(name="some", role=Role.PUSH, projects=frozenset({1})))
        access = TokenAccess({token_digest(f"sd_{one.name}"): one for one in principals})
        sessions = Sessions(access, seconds=world.clock.seconds)
        spoken = (
            ScrapyDoAPI(world.operations, archive_bytes=1 << 20, tail=Tail(reactor=world.clock)),
            *cloud_dialects(
                world.operations,
                world.parts.cloud,
                access=FurtherTokens({}, access),
                archive_bytes=1 << 20,
            ),
        )
        pages = Pages(
            world.operations,
            now=world.now,
            zone="UTC",
            times="relative",
            archive_bytes=1 << 20,
            new_bell=partial(Bell, world.clock),
            sessions=sessions,
            dialects=spoken,
        )
        self.dialects = (*spoken, pages)
        self.site = make_site(
            dialects=self.dialects,
            access=access,
            hosts=own_hosts(scheme="http", port=7654),
            health=healthy,
            public=("/ui/static/", LOGIN),
            spool_dir=world.archives.incoming,
            in_thread=inline,
            reactor=world.clock,  # type: ignore[arg-type]  # it is one
            sessions=sessions,
            login=LOGIN,
            audit=world.parts.audit.note,
            now=world.now,
        )
        self._client = HttpClient(self.site)
        world.put_project("quotesbot")
        world.put_project("other", HIDDEN)
        self.job = world.enqueue(project="other", spider=HIDDEN)
        self.schedule: Any = world.do(
            world.schedules.submit(
                JobRequest(project="other", spider=HIDDEN),
                ScheduleRequest(when="every 7 hours"),
                by=TESTER,
            )
        )

    @property
    def routes(self) -> Iterator[Route]:
        return (route for dialect in self.dialects for route in dialect.router.routes())

    def ask(self, method: str, target: str, *, who: str = "", **options: Any) -> Heard:
        """Ask as somebody, and hear as much as comes at once."""
        headers = dict(options.pop("headers", {}))
        if who:
            headers["Authorization"] = f"Basic {base64.b64encode(f'sd_{who}:'.encode()).decode()}"
        connection = self._client.connect()
        raw = self._client.raw_request(method, target, headers=headers, **options)
        connection.send(raw)
        for _ in range(20):
            self.world.clock.advance(0)
        received = connection.received
        connection.close()
        assert received.startswith(b"HTTP/1.1 "), (method, target)
        return Heard(status=int(received[9:12]), text=received.decode("utf-8", "replace"))

    def of_other(self, route: Route) -> str:
        """Name the path of a route by which it would reach what is of the other project."""
        job, schedule = str(self.job), str(self.schedule.id)
        values = {
            "project": "2",
            "spider": "1",
            "number": "1",
            "index": "0",
            "kind": "s",
            "queue": "pending",
            "job": job,
            "path": "file.txt",
            "name": "other",
        }
        if route.pattern.startswith("/ui/schedules"):
            values["name"] = schedule
        if route.pattern.startswith("/get-log"):
            values["name"] = f"{job}.out"
        if route.pattern.startswith("/get-items"):
            values["name"] = f"{job}.jsonl"
        if route.pattern.startswith("/ui/projects"):
            values["spider"] = HIDDEN
        if "spider/<path:name>" in route.pattern:
            values["name"] = HIDDEN
        return re.sub(r"<(?:\w+:)?(\w+)>", lambda found: values.get(found[1], "x"), route.pattern)

    def fields_of_other(self, route: Route) -> dict[str, str]:
        """Name the arguments by which a route would reach it; more than any route takes."""
        of_schedule = "schedule" in route.pattern and route.pattern != "/schedule-job.json"
        is_cloud = route.pattern.startswith(("/api/", "/activity"))
        return {
            "project": "2" if is_cloud else "other",
            "p": "other",
            "spider": HIDDEN,
            "id": str(self.schedule.id if of_schedule else self.job),
            "job": "2/1/1" if is_cloud else str(self.job),
            "jobs": f"{self.job},{self.job}",
            "name": "other",
            "version": "1",
            "when": "now",
            "target": f"other/{HIDDEN}",
            "do": "delete",
            "upto": "1000000",
            "on": "0",
            "from": str(self.job) if route.pattern == "/ui/run" else "2026-06-01T00:00:00",
            "to": "2026-06-02T00:00:00",
        }


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Everything:
    return Everything(tmp_path_factory.mktemp("everything"))


def test_every_route_has_its_line(everything: Everything) -> None:
    """The table has a line for each route, and none for what is no route."""
    names = [route.name for route in everything.routes]
    assert len(names) == len(set(names)) > 200
    assert set(names) == set(PERMITS)


def test_what_changes_something_is_told_of() -> None:
    """Each route of Scrapy Do and its pages that may change something has its name in the audit."""
    silent = {
        name
        for name, permit in PERMITS.items()
        if not name.startswith(("GET ", "DELETE ")) and permit.deed is None
    }
    assert {
        name
        for name in silent
        if not re.match(
            rf"POST /({_OF_CRAWLS})/|PATCH ",
            name,
        )
    } == {"POST /ui/spider/compare"}


def test_nobody(everything: Everything) -> None:
    """Without credentials no route answers, but those that must; unknown ones count as nobody."""
    for who in ("", "unknown"):
        answers = {
            route.name: everything.ask(route.method, everything.of_other(route), who=who)
            for route in everything.routes
            if route.name not in PUBLIC
        }
        assert {
            name: heard.status
            for name, heard in answers.items()
            if heard.status not in NOT_AUTHENTICATED
        } == {}
        assert {name for name, heard in answers.items() if HIDDEN in heard.text} == set()


def test_a_lesser_role(everything: Everything) -> None:
    """Each role below that of a route is refused by 403, with the role that is needed."""
    wrong = []
    for route in everything.routes:
        if route.name in PUBLIC:
            continue
        for role in (one for one in Role if one < route.role):
            path = everything.of_other(route)
            heard = everything.ask(route.method, path, who=role.name.lower())
            if heard.status != 403 or f"the role {route.role.name.lower()}" not in heard.text:
                wrong.append((route.name, role.name, heard.status))
    assert wrong == []
    assert isinstance(everything.world.state(everything.job), Running)


def test_somebody_who_does_not_see_a_project(everything: Everything) -> None:
    """Nothing of it is told by any route, nothing of it is changed, and nothing fails for it."""
    world = everything.world
    told, failed = [], []
    for route in everything.routes:
        fields = everything.fields_of_other(route)
        path = everything.of_other(route)
        if route.method in {"GET", "HEAD"}:
            query = "&".join(
                f"{name}={value}" for name, value in fields.items() if name not in {"do", "p"}
            )
            asked = [everything.ask("GET", path, who="some")]
            asked.append(everything.ask("GET", f"{path}?{query}", who="some"))
            asked.append(everything.ask("GET", f"{path}?create=1&p=other", who="some"))
        else:
            asked = [everything.ask(route.method, path, who="some", form=fields)]
            asked.append(everything.ask(route.method, path, who="some", json={"key": "2/1/1"}))
        for heard in asked:
            if heard.status >= 500:
                failed.append((route.name, heard.status))
            # What was asked with may stand in the answer to it; what was not, may not.
            known = {str(everything.job), str(everything.schedule.id), HIDDEN, "other"}
            seen = {one for one in known if one in heard.text and one not in path}
            if heard.status < 400 and seen - {*fields.values(), "other"}:
                told.append((route.name, heard.status, seen))
    assert failed == []
    assert told == []
    assert isinstance(world.state(everything.job), Running)
    schedule = world.do(world.store.schedules.get(everything.schedule.id))
    assert schedule == everything.schedule
    assert schedule.state is ScheduleState.ACTIVE
    (other,) = [one for one in world.do(world.projects.all()) if one.name == "other"]
    assert other.current is not None
    assert world.do(world.store.projects.spiders(2))[-1].name == HIDDEN
    assert len(world.do(world.store.projects.spiders(2))) == 1


@pytest.mark.parametrize(
    "path",
    [
        "/list-projects.json",
        "/list-jobs.json?status=ACTIVE",
        "/list-jobs.json?status=SCHEDULED",
        "/list-schedules.json",
        "/api/scrapyd/listprojects.json",
        "/projects/jobsummaries",
        "/ui/",
        "/ui/jobs",
        "/ui/jobs.json",
        "/ui/jobs.csv",
        "/ui/schedules",
        "/ui/schedules.json",
        "/ui/schedules.csv",
        "/ui/projects",
        "/ui/projects.json",
        "/ui/projects.csv",
        "/ui/run",
        "/ui/push",
        "/ui/schedules/new",
    ],
)
def test_lists_leave_out_what_is_not_seen(everything: Everything, path: str) -> None:
    """Lists and pages show an administrator both projects, and others their own alone."""
    telling = {HIDDEN, str(everything.job), "other", str(everything.schedule.id)}
    mine = everything.ask("GET", path, who="some")
    assert mine.status == 200
    body = mine.text.split("\r\n\r\n", 1)[1]
    assert not {one for one in telling - {"other"} if one in body}
    assert not re.search(
        r"\bother\b(?! (one|job|schedule|spider|value|host|clien|page|prog))", body
    )


def test_events_tell_of_ones_own_projects(everything: Everything) -> None:
    """The stream of changes names no job of another project."""
    client = HttpClient(everything.site)
    credentials = base64.b64encode(b"sd_some:").decode()
    connection = client.connect()
    headers = {"Authorization": f"Basic {credentials}"}
    connection.send(client.raw_request("GET", "/ui/events", headers=headers))
    theirs = everything.world.enqueue(project="other", spider=HIDDEN)
    own = everything.world.enqueue()
    for _ in range(5):
        everything.world.clock.advance(1)
    assert str(own) in connection.received.decode()
    assert str(theirs) not in connection.received.decode()
    connection.close()
    everything.world.do(everything.world.jobs.cancel(theirs, by="tester", wait_s=0))


@pytest.mark.parametrize(
    ("target", "named"),
    [
        ("/list-spiders.json?project=other", "Project other"),
        ("/list-spiders.json?project=nothing", "Project nothing"),
        ("/list-jobs.json?id={job}", "Job {job}"),
        ("/ui/jobs/{job}", "Job {job}"),
        ("/ui/schedules/{schedule}", "Schedule {schedule}"),
        ("/jobs/2/1/1", "project 2"),
    ],
)
def test_the_refusal_names_what_is_missing(everything: Everything, target: str, named: str) -> None:
    """Be it there or not: 403, with what was asked for, and who may not."""
    words = {"job": UUID(str(everything.job)), "schedule": everything.schedule.id}
    heard = everything.ask("GET", target.format(**words), who="some")
    assert heard.status == 403
    assert named.format(**words).lower() in heard.text.lower()


def test_naming_a_spider_is_held_to_the_rules_of_a_change(everything: Everything) -> None:
    """GET with create=1 needs the role run, and comes from no foreign page."""
    path = "/ids/1/spider/fresh?create=1"
    foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert everything.ask("GET", path, who="read").status == 403
    assert everything.ask("GET", path, who="run", headers=foreign).status == 403
    assert everything.ask("GET", "/ids/1/spider/fresh", who="read").text.endswith("null")
    assert everything.ask("GET", path, who="run").status == 200


def test_ones_own_project_is_open(everything: Everything) -> None:
    """Who sees one project orders jobs and schedules there, and nowhere else."""

    def order(project: str, spider: str, when: str) -> int:
        fields = {"project": project, "spider": spider, "when": when}
        return everything.ask("POST", "/schedule-job.json", who="some", form=fields).status

    assert [order("quotesbot", "toscrape-css", when) for when in ("now", "every day")] == [200, 200]
    assert [order("other", HIDDEN, when) for when in ("now", "every day")] == [403, 403]


# --- who did what ------------------------------------------------------------------------------


def _audited(everything: Everything, since: int) -> list[tuple[str, str, str, str]]:
    everything.world.clock.advance(1)
    lines = everything.world.do(everything.world.store.audit.find(before=None, limit=100))
    return [
        (line.principal, line.address, line.action, line.subject)
        for line in reversed(lines)
        if line.number > since
    ]


def _last(everything: Everything) -> int:
    everything.world.clock.advance(1)
    lines = everything.world.do(everything.world.store.audit.find(before=None, limit=1))
    return lines[0].number if lines else 0


def test_each_change_leaves_a_line(everything: Everything) -> None:
    """Who, from where, what, to what: of every dialect, of what was done and nothing else."""
    since = _last(everything)
    order = {"project": "quotesbot", "spider": "toscrape-css", "when": "now"}
    made = everything.ask("POST", "/schedule-job.json", who="run", form=order)
    job = re.findall(r'"identifier": "([0-9a-f-]{36})"', made.text)[0]
    everything.ask("POST", "/schedule-job.json", who="run", form={**order, "spider": "nothing"})
    everything.ask("POST", "/schedule-job.json", who="read", form=order)
    everything.ask("POST", "/cancel-job.json", who="run", form={"id": job, "wait": "0"})
    everything.ask("GET", "/list-jobs.json?status=ACTIVE", who="run")
    everything.ask(
        "POST", "/api/run.json", who="push", form={"project": "1", "spider": "toscrape-css"}
    )
    everything.ask("POST", "/ui/run", who="push", form={"project": "quotesbot", "spider": "no"})
    everything.ask("GET", "/ids/1/spider/another?create=1", who="run")
    everything.ask("GET", "/ids/1/spider/another", who="run")

    here = "127.0.0.1"
    assert _audited(everything, since) == [
        ("run", here, "schedule", "project=quotesbot spider=toscrape-css when=now"),
        ("run", here, "cancel", f"id={job}"),
        ("push", here, "schedule", "project=1 spider=toscrape-css"),
        ("run", here, "name-spider", "project=1 name=another create=1"),
    ]


def test_logins_are_told_of(everything: Everything) -> None:
    """Who has logged in, and out; no password, and no try."""
    since = _last(everything)
    everything.ask("POST", LOGIN, form={"name": "", "password": "sd_run"})
    everything.ask("POST", LOGIN, form={"name": "ann", "password": "a secret guess"})
    everything.ask("POST", "/ui/logout", who="run")

    assert _audited(everything, since) == [
        ("token", "127.0.0.1", "login", "name="),
        ("run", "127.0.0.1", "logout", ""),
    ]


def test_the_audit_is_shown_to_administrators(everything: Everything) -> None:
    """As a page and its twins, page by page; whatever was sent is shown as text."""
    order = {"project": "quotesbot", "spider": "toscrape-css", "when": "now"}
    for priority in ("1", "2"):
        everything.ask(
            "POST",
            "/schedule-job.json",
            who="run",
            form={**order, "priority": priority, "version": "1", "q": "=<script>alert(1)</script>"},
        )
    everything.world.clock.advance(1)

    for path in ("/ui/audit", "/ui/audit.json", "/ui/audit.csv"):
        assert everything.ask("GET", path, who="push").status == 403
        shown = everything.ask("GET", path, who="admin")
        assert shown.status == 200
        assert "toscrape-css" in shown.text
    assert "<script>alert" not in everything.ask("GET", "/ui/audit", who="admin").text
    first = everything.ask("GET", "/ui/audit.json?limit=1", who="admin")
    number = int(re.findall(r'"number": (\d+)', first.text)[0])
    second = everything.ask("GET", f"/ui/audit.json?limit=1&before={number}", who="admin")
    assert int(re.findall(r'"number": (\d+)', second.text)[0]) == number - 1


def test_files_of_a_run_of_another_project(tmp_path: Path) -> None:
    """Who sees one project gets no file that a run of another has left, by its address either."""
    everything = Everything(tmp_path)
    crawl = everything.world.launcher.crawl_of(everything.job)
    (crawl.spec.placement.project_dir / "left.txt").write_text(HIDDEN)
    crawl.finish()
    target = f"/get-file/data/{everything.job}/left.txt"

    assert HIDDEN in everything.ask("GET", target, who="read").text
    for method in ("GET", "HEAD"):
        refused = everything.ask(method, target, who="some")
        assert refused.status == 403
        assert HIDDEN not in refused.text
