"""Logging in and out.

| method | path | role | what |
|---|---|---|---|
| GET | /ui/login | anybody | the form, where authentication is on |
| POST | /ui/login | anybody | a session begins |
| POST | /ui/logout | READ | it ends |
"""

from dataclasses import dataclass, replace
from urllib.parse import quote

from scrapy_do.errors import NotAuthenticated
from scrapy_do.ui.render import PageView, Renderer
from scrapy_do.web.answer import Answer, redirect
from scrapy_do.web.router import Call, Router
from scrapy_do.web.sessions import Sessions, cookie_of, set_cookie

LOGIN = "/ui/login"
_SAFE = "/?&=%+:,;~@!$'()*-._"
_LONGEST_NEXT = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginForm:
    """What the form shows. `again` is the address that asks once more, "" for none."""

    next: str
    name: str
    problem: str
    again: str


class LoginRoutes:
    """These routes."""

    def __init__(self, renderer: Renderer, sessions: Sessions) -> None:
        self._renderer = renderer
        self._sessions = sessions

    def add_to(self, router: Router) -> None:
        """Add them to the table."""
        router.add("GET", LOGIN, self.form)
        router.add("POST", LOGIN, self.log_in)
        router.add("POST", "/ui/logout", self.log_out)

    async def form(self, call: Call) -> Answer:
        """Show the form to who needs it."""
        following = _following(call)
        if not await self._sessions.is_needed() or self._sessions.owner(_cookie(call)):
            return redirect(following)
        # A browser that follows a link of another site keeps its cookie to itself; it sends the
        # cookie when our own page asks once more.
        is_foreign = call.header("sec-fetch-site") == "cross-site" and "again" not in call.params
        again = f"{LOGIN}?again=1&next={quote(following, safe='')}" if is_foreign else ""
        return self._page(call, LoginForm(next=following, name="", problem="", again=again))

    async def log_in(self, call: Call) -> Answer:
        """Begin a session, always a new one."""
        name = call.params.optional_text("name", "")
        following = _following(call)
        try:
            password = call.params.optional_text("password", "")
            cookie = await self._sessions.begin(name, password, address=call.client)
        except NotAuthenticated:
            problem = "Wrong name or password."
            form = LoginForm(next=following, name=name[:200], problem=problem, again="")
            return self._page(call, form, status=401)
        self._sessions.end(_cookie(call))
        return _with_cookie(redirect(following), call, cookie)

    async def log_out(self, call: Call) -> Answer:
        """End the session, here and in the browser."""
        self._sessions.end(_cookie(call))
        return _with_cookie(redirect(LOGIN), call, "")

    def _page(self, call: Call, form: LoginForm, status: int = 200) -> Answer:
        page = PageView(template="login.html", title="Log in", view=form, status=status)
        return self._renderer.answer(page, call)


def _following(call: Call) -> str:
    """Where to go after the login: a page of ours, whatever an address says."""
    wanted = call.params.optional_text("next", "")[:_LONGEST_NEXT]
    if wanted.startswith("/ui/") and not wanted.startswith((LOGIN, "/ui/logout")):
        return quote(wanted, safe=_SAFE)
    return "/ui/"


def _cookie(call: Call) -> str:
    return cookie_of(call.headers.get("cookie", ()), _host(call))


def _host(call: Call) -> str:
    return call.base_url.partition("://")[2]


def _with_cookie(answer: Answer, call: Call, value: str) -> Answer:
    cookie = set_cookie(value, _host(call), is_secure=call.base_url.startswith("https:"))
    return replace(answer, headers=(*answer.headers, *cookie, ("Cache-Control", "no-store")))
