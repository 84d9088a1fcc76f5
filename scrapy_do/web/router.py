"""Routes: a table of method, path and coroutine, around Klein.

A whole dialect, as small as it can be::

    class Greetings:
        '''Says hello.

        | method | path             | role | what       |
        |--------|------------------|------|------------|
        | GET    | /hello/<who>     | READ | a greeting |
        | POST   | /hello.json      | RUN  | learns one |
        | POST   | /upload.json     | PUSH | takes code |
        '''

        prefix = ""  # "/api" would get every path that is /api or begins with /api/

        def __init__(self, operations: Operations, *, upload_bytes: int) -> None:
            self._operations = operations
            self.router = Router(style=ErrorStyle(status={NotFound: 400}, body=error_body))
            add = self.router.add
            add("GET", "/hello/<who>", self.hello)
            add("POST", "/hello.json", self.learn)
            rules = BodyRules(limit_bytes=upload_bytes, upload="archive")
            add("POST", "/upload.json", self.upload, role=Role.PUSH, body=rules)

        async def hello(self, call: Call, *, who: str) -> Answer:
            greeting = await self._operations.greeting(who)  # may raise NotFound: see status.py
            return json_response({"status": "ok", "greeting": greeting})

        async def learn(self, call: Call) -> JSON:
            call.params.require("who", "words")
            tags = call.params.texts("tag")
            made = await self._operations.learn(call.params.text("who"), tags, by=call.principal)
            return {"status": "ok", "id": str(made.id)}

        async def upload(self, call: Call) -> JSON:
            archive = call.params.file("archive")
            return {"status": "ok", "name": await self._operations.push(archive.path)}

Patterns are those of werkzeug and whole paths, the dialect's prefix included: `<name>` is
one segment, `<int:number>` up to 18 digits, the first no 0, `<path:rest>` everything to the end.
A segment may hold any character, also NUL, `..` between slashes of a `<path:>`, and
blanks: the rules of the core judge names, and nothing from a path reaches a file name.

A handler returns a JSON value (status 200, one line; `Rows` where it holds a long list), a
`Response`, `Written`, or a `Stream`. It
never sets an error status and catches no domain error. It runs to its end even when the
client leaves: what was begun is not left half done. Role: that of `permits.py`, where the router
is given the table; else READ for GET, RUN for all other methods, unless said otherwise. HEAD
comes with GET.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from klein import Klein
from werkzeug.exceptions import MethodNotAllowed
from werkzeug.exceptions import NotFound as NoRoute
from werkzeug.routing import IntegerConverter, PathConverter, RequestRedirect

from scrapy_do.core.principal import Principal, Role
from scrapy_do.core.sight import seen_by
from scrapy_do.errors import NotPermitted
from scrapy_do.system.runtime import InThread
from scrapy_do.web.answer import (
    JSON,
    Answer,
    Response,
    Stream,
    Written,
    whole_answer,
    written_json,
)
from scrapy_do.web.auth import Access
from scrapy_do.web.params import Params
from scrapy_do.web.permits import UNKNOWN, Permit
from scrapy_do.web.status import ErrorStyle, UnknownPath, WrongVerb
from scrapy_do.web.upload import Body, BodyRules

__all__ = ["JSON", "Answer", "Call", "Dialect", "Route", "Router"]

Handler = Callable[..., Awaitable[JSON | Answer]]
Guard = Callable[[Principal, Mapping[str, Any]], None]
"""Raises `NotPermitted` for the values of a pattern that a principal may not touch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, as a handler sees it.

    `path` is decoded, `base_url` is scheme and host as the client wrote them, without a
    final slash. The names of `headers` are in lower case. `body` is there when it was no
    form and no JSON, or when the route is raw; `document` is the value of a JSON body.
    `client` is the peer's address; `pause` gives other requests a turn.
    """

    method: str
    path: str
    base_url: str
    params: Params
    principal: Principal
    headers: Mapping[str, tuple[str, ...]]
    client: str
    in_thread: InThread
    pause: Callable[[], Awaitable[None]]
    body: Body | None = None
    document: Any = None

    def header(self, name: str, default: str = "") -> str:
        """The first header of this name, in any case."""
        values = self.headers.get(name.lower(), ())
        return values[0] if values else default


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One line of the table. `deed` is what the audit calls it, None where it tells nothing.

    `changes_with` is the argument in the query that makes a GET change something, as clients of
    others do it: with it the request counts as one of another method.
    """

    method: str
    pattern: str
    role: Role
    body: BodyRules
    handler: Handler
    deed: str | None = None
    changes_with: str | None = None

    @property
    def name(self) -> str:
        """What no other route of the router is called."""
        return f"{self.method} {self.pattern}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """A route and the values of its pattern."""

    route: Route
    values: Mapping[str, Any]


class _Rest(PathConverter):
    """Everything to the end of the path, also what begins with a slash."""

    regex = "(?s:.+?)"
    part_isolating = False


class _BoundedInteger(IntegerConverter):
    """Whole numbers that every database and every parser can hold; others match no route.

    Nor does `01`: it may be the name of a project, which is not the one of the number 1.
    """

    regex = "(?:0|[1-9][0-9]{0,17})"


class Router:
    """The routes of one dialect, and the style of its errors.

    `any_slash` also accepts every path with a slash added at its end. `access` decides
    about credentials in place of the site's, for a dialect with credentials of its own.
    `permits` says which roles its routes need, in place of what they say themselves.
    `guard` is asked before each handler whether who asks may touch what the path names.
    """

    def __init__(
        self,
        *,
        style: ErrorStyle,
        any_slash: bool = False,
        access: Access | None = None,
        guard: Guard | None = None,
        permits: Mapping[str, Permit] | None = None,
    ) -> None:
        self.style = style
        self._permits = permits
        self.access = access
        self._guard = guard
        self._any_slash = any_slash
        self._klein = Klein()
        self._klein.url_map.merge_slashes = False
        self._klein.url_map.converters.update(int=_BoundedInteger, path=_Rest)
        self._routes: dict[str, Route] = {}

    def add(
        self,
        method: str,
        pattern: str,
        handler: Handler,
        *,
        role: Role | None = None,
        body: BodyRules | None = None,
    ) -> None:
        """Add a route; GET serves HEAD too.

        Raises:
            ValueError: the same method and pattern were added before.
        """
        # Klein names a route after its function, and a second function of that name takes
        # over the first one's requests without a word. Ours are named by what is unique.
        if self._any_slash:
            pattern = pattern.rstrip("/") or "/"
        permit = Permit(role=Role.READ if method == "GET" else Role.RUN)
        if self._permits is not None:
            permit = self._permits.get(f"{method} {pattern}", UNKNOWN)
        route = Route(
            method=method,
            pattern=pattern,
            role=permit.role if role is None else role,
            deed=permit.deed,
            changes_with=permit.changes_with,
            body=BodyRules() if body is None else body,
            handler=handler,
        )
        if route.name in self._routes:
            raise ValueError(f"two routes for {route.name}")
        self._routes[route.name] = route
        register = self._klein.route(pattern, methods=[method], endpoint=route.name)
        register(handler)  # type: ignore[type-var]  # Klein hands on whatever is returned

    def routes(self) -> tuple[Route, ...]:
        """The table, in the order of adding."""
        return tuple(self._routes.values())

    def match(self, method: str, path: str) -> Matched:
        """The route of a request.

        Raises:
            UnknownPath: no route has this path.
            WrongVerb: one has, with another method.
        """
        plain = path.removesuffix("/") if self._any_slash and path != "/" else path
        if path.startswith("//"):  # which werkzeug would read as one slash
            raise UnknownPath(path)
        # werkzeug takes "get" for GET, which HTTP and the rules about origins do not.
        verb = method if method.isupper() else "-"
        try:
            name, values = self._klein.url_map.bind("").match(plain, verb)
        except (NoRoute, RequestRedirect):
            raise UnknownPath(path) from None
        except MethodNotAllowed as error:
            raise WrongVerb(method, tuple(sorted(error.valid_methods or ()))) from None
        return Matched(route=self._routes[name], values=values)

    async def answer(self, matched: Matched, call: Call) -> Response | Stream:
        """Run the handler; whatever it raises is for the site's single hook."""
        if self._guard is not None:
            self._guard(call.principal, matched.values)
        with seen_by(call.principal):
            return await self._handled(matched, call)

    async def _handled(self, matched: Matched, call: Call) -> Response | Stream:
        # Klein passes its first argument on as it is and makes a Deferred of the coroutine.
        begun: Any = self._klein.execute_endpoint(
            matched.route.name,
            call,  # type: ignore[arg-type]
            **matched.values,
        )
        result = await begun
        if isinstance(result, Response | Stream):
            return result
        written = result if isinstance(result, Written) else written_json(result)
        return await whole_answer(written, call.pause)


class Dialect(Protocol):
    """What `make_site` mounts: everything below a prefix."""

    @property
    def prefix(self) -> str:
        """The beginning of its paths without a final slash; "" takes what is left."""
        ...

    @property
    def router(self) -> Router:
        """Its routes and its style of errors."""
        ...


def check_role(principal: Principal, role: Role) -> None:
    """Let a principal through, or not.

    Raises:
        NotPermitted: the principal's role is too small.
    """
    if not principal.may(role):
        needed, has = role.name.lower(), principal.role.name.lower()
        raise NotPermitted(f"This needs the role {needed}; {principal.name} has {has}")
