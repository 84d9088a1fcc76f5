"""Logging in by the page, without a browser: a site with authentication."""

import base64
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from scrapy_do.api.scrapy_do.routes import ScrapyDoAPI
from scrapy_do.core.principal import Principal, Role
from scrapy_do.system.passwords import token_digest
from scrapy_do.ui.login_routes import LOGIN
from scrapy_do.ui.routes import Pages as PageRoutes
from scrapy_do.web.auth import OpenAccess, TokenAccess
from scrapy_do.web.origin import own_hosts
from scrapy_do.web.sessions import Sessions
from scrapy_do.web.site import make_site
from scrapy_do.web.sse import Bell
from scrapy_do.web.tail import Tail
from scrapy_do.web.users import Passwords
from tests.factories import user
from tests.fakes import inline
from tests.http_client import Answer, Connection, HttpClient, healthy
from tests.world import World

BROWSER = {"Accept": "text/html,application/xhtml+xml", "Sec-Fetch-Mode": "navigate"}
READER = Principal(name="reader", role=Role.READ)


class Site:
    """A site with pages, an API, a user and a token; `cookie` is what the browser has."""

    def __init__(self, world: World, *, is_open: bool = False) -> None:
        access = (
            OpenAccess()
            if is_open
            else TokenAccess(
                {token_digest("t0ken"): READER}, verify=Passwords([user()], in_thread=inline)
            )
        )
        sessions = Sessions(access, seconds=world.clock.seconds)
        pages = PageRoutes(
            world.operations,
            now=world.now,
            zone="UTC",
            times="relative",
            archive_bytes=1 << 20,
            sessions=sessions,
            new_bell=partial(Bell, world.clock),
        )
        tail = Tail(reactor=world.clock)
        site = make_site(
            dialects=[ScrapyDoAPI(world.operations, archive_bytes=1 << 20, tail=tail), pages],
            access=access,
            hosts=own_hosts(scheme="http", port=7654),
            health=healthy,
            public=("/ui/static/", LOGIN),
            spool_dir=world.archives.incoming,
            in_thread=inline,
            reactor=world.clock,  # type: ignore[arg-type]  # it is one
            sessions=sessions,
            login=LOGIN,
        )
        self._world = world
        self._client = HttpClient(site)
        self.cookie = ""

    def ask(self, method: str, path: str, **options: Any) -> Answer:
        headers = {**BROWSER, **options.pop("headers", {})}
        if self.cookie:
            headers["Cookie"] = self.cookie
        answer = self._client.request(method, path, headers=headers, **options)
        if "set-cookie" in answer.headers:
            self.cookie = answer.headers["set-cookie"].partition(";")[0]
        return answer

    def happen(self) -> None:
        """Let a job be ordered, and whoever listens hear of it."""
        self._world.enqueue()
        for _ in range(3):
            self._world.clock.advance(1)

    def follow(self, path: str) -> Connection:
        """Open a path that goes on, as the browser."""
        connection = self._client.connect()
        headers = {"Cookie": self.cookie}
        connection.send(self._client.raw_request("GET", path, headers=headers))
        return connection

    def log_in(self, name: str = "ann", password: str = "secret", **form: str) -> Answer:
        return self.ask("POST", LOGIN, form={"name": name, "password": password, **form})


@pytest.fixture
def site(tmp_path: Path) -> Site:
    world = World(tmp_path).start()
    world.put_project()
    return Site(world)


@pytest.mark.parametrize("path", ["/ui/projects?x=1", "/ui/", "/ui/nowhere", "/"])
def test_a_browser_is_led_to_the_login_page_and_back(site: Site, path: str) -> None:
    """Without credentials a page leads to the login, and that to the page."""
    led = site.ask("GET", path)

    assert led.status == 303
    form = site.ask("GET", led.headers["location"])
    assert form.status == 200
    wanted = form.text.split('name="next" value="')[1].split('"')[0]
    assert site.log_in(next=wanted).headers["location"] == ("/ui/" if path == "/" else path)


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/list-projects.json", {}),
        ("GET", "/ui/projects", {"Accept": "*/*"}),
        ("GET", "/ui/projects", {"Sec-Fetch-Mode": "cors"}),
        ("POST", "/ui/projects/quotesbot/remove", {}),
        ("GET", "/ui/projects", {"Authorization": "Bearer wrong"}),
    ],
)
def test_others_are_told_401(site: Site, method: str, path: str, headers: dict[str, str]) -> None:
    """API clients, scripts, and who sent wrong credentials get the status, not a page."""
    assert site.ask(method, path, headers=headers).status == 401


def test_a_session_is_good_for_pages_and_the_api(site: Site) -> None:
    """Links of pages lead to both; the role is that of who logged in."""
    site.log_in()

    assert site.ask("GET", "/ui/projects").status == 200
    assert site.ask("GET", "/list-projects.json").json["projects"] == ["quotesbot"]


def test_basic_still_works(site: Site) -> None:
    """Who sends credentials with each request needs no session."""
    known = base64.b64encode(b"ann:secret").decode()

    assert (
        site.ask("GET", "/ui/projects", headers={"Authorization": f"Basic {known}"}).status == 200
    )


def test_a_wrong_password_says_so(site: Site) -> None:
    """The form comes back with the name, and no cookie."""
    answer = site.log_in(password="wrong")

    assert answer.status == 401
    assert "Wrong name or password" in answer.text
    assert 'value="ann"' in answer.text
    assert site.cookie == ""


def test_a_login_changes_the_cookie_and_ends_the_old_one(site: Site) -> None:
    """A cookie from before a login is worth nothing after it."""
    site.log_in()
    before = site.cookie

    site.log_in()

    after, site.cookie = site.cookie, before
    assert after != before
    assert site.ask("GET", "/ui/projects").status == 303


def test_a_planted_cookie_is_not_taken_over(site: Site) -> None:
    """A login never makes a session of a name that the browser brought."""
    site.cookie = "scrapy-do-7654=planted"

    site.log_in()

    assert site.cookie != "scrapy-do-7654=planted"


def test_logging_out_ends_the_session(site: Site) -> None:
    """Also for who has kept the cookie."""
    site.log_in()
    kept = site.cookie

    assert site.ask("POST", "/ui/logout").headers["location"] == LOGIN
    site.cookie = kept

    assert site.ask("GET", "/ui/projects").status == 303


def test_what_goes_on_ends_with_the_session(site: Site) -> None:
    """A stream of events tells nothing more once its session was ended."""
    site.log_in()
    events = site.follow("/ui/events")
    site.happen()
    before = events.received.count(b"event: jobs")

    site.ask("POST", "/ui/logout")
    site.happen()

    assert events.received.count(b"event: jobs") == before > 0
    assert len(events.answers()) == 1  # it has an end


def test_a_session_has_the_role_of_its_owner(site: Site) -> None:
    """Who may only look may not change anything by a session either."""
    site.log_in(name="", password="t0ken")

    page = site.ask("GET", "/ui/projects")
    assert page.status == 200
    assert "You may look, but change nothing" in page.text
    answer = site.ask("POST", "/ui/projects/quotesbot/remove")
    assert answer.status == 403
    assert "This needs the role push" in answer.text


@pytest.mark.parametrize(
    "wanted",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "/ui/login", "javascript:x", ""],
)
def test_a_login_leads_to_pages_of_ours_only(site: Site, wanted: str) -> None:
    """An address of somebody else's is not followed."""
    assert site.log_in(next=wanted).headers["location"] == "/ui/"


def test_line_breaks_reach_no_header(site: Site) -> None:
    """What stands in an address is encoded in the answer."""
    answer = site.log_in(next="/ui/x\r\nSet-Cookie: a=b")

    assert answer.headers["location"] == "/ui/x%0D%0ASet-Cookie:%20a=b"


def test_a_foreign_page_can_use_no_session(site: Site) -> None:
    """A form of another site is refused, whatever the browser sends along."""
    site.log_in()

    headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}

    assert site.ask("POST", "/ui/projects/quotesbot/remove", headers=headers).status == 403


def test_a_link_of_another_site_is_asked_once_more(site: Site) -> None:
    """Such a visit has no cookie; our own page then asks with it."""
    site.log_in()
    cookie, site.cookie = site.cookie, ""

    page = site.ask("GET", f"{LOGIN}?next=/ui/projects", headers={"Sec-Fetch-Site": "cross-site"})
    again = page.text.split('content="0; url=')[1].split('"')[0].replace("&amp;", "&")
    site.cookie = cookie

    assert site.ask("GET", again).headers["location"] == "/ui/projects"


def test_without_authentication_there_is_nothing_to_log_in_to(tmp_path: Path) -> None:
    """The page leads on."""
    site = Site(World(tmp_path).start(), is_open=True)

    assert site.ask("GET", LOGIN).headers["location"] == "/ui/"
    assert site.ask("GET", "/ui/projects").status == 200


def test_guessing_is_slow(site: Site) -> None:
    """After ten wrong passwords even the right one waits: on the page and in the APIs."""
    known = base64.b64encode(b"ann:secret").decode()
    assert [site.log_in(password=f"guess {n}").status for n in range(10)] == [401] * 10

    page = site.log_in()
    api = site.ask("GET", "/status.json", headers={"Authorization": f"Basic {known}"})

    assert (page.status, page.headers["retry-after"], site.cookie) == (429, "61", "")
    assert "try again in 61 s" in page.text
    assert (api.status, api.json["error"]) == (429, "too-many-guesses")


def test_a_session_goes_on_while_others_guess(site: Site) -> None:
    """Who is logged in already is not asked for a password."""
    site.log_in()
    cookie = site.cookie
    for n in range(11):
        site.cookie = ""
        site.log_in(password=f"guess {n}")
    site.cookie = cookie

    assert site.ask("GET", "/ui/projects").status == 200
