"""The verdict on a request, before its body, and the way to its handler.

Order: syntax of the target, dialect (for the words of what follows), whether the site is
closed (it stops, or is too full), Host,
Origin, credentials, route, role, length. So nobody without credentials learns which paths
exist, and nothing of a refused body is read.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

from twisted.python.failure import Failure

from scrapy_do.core.accounts import AuditLine
from scrapy_do.core.principal import Principal, Role
from scrapy_do.errors import NotAuthenticated, Unavailable
from scrapy_do.system.runtime import InThread
from scrapy_do.web.answer import Response, Stream, redirect
from scrapy_do.web.auth import Access, NoCredentials, credentials_of
from scrapy_do.web.deeds import audit_line
from scrapy_do.web.digest import Digests, StaleNonce
from scrapy_do.web.guesses import Guesses
from scrapy_do.web.origin import OwnHosts, check_host, check_origin, split_target
from scrapy_do.web.params import Params, is_on
from scrapy_do.web.request import Head, check_size
from scrapy_do.web.router import Call, Dialect, Matched, Route, Router, check_role
from scrapy_do.web.sessions import Sessions, cookie_of
from scrapy_do.web.sinks import Sink, sink_for
from scrapy_do.web.sse import EVENTS
from scrapy_do.web.status import BASIC, ErrorStyle, Malformed, failure_response
from scrapy_do.web.upload import Fields, Form, decode_pairs

HEALTH_PATH = "/healthz"
ANONYMOUS = Principal(name="anonymous", role=Role.READ)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteParts:
    """What a site is made of; see `make_site`."""

    dialects: Sequence[Dialect]
    access: Access
    hosts: OwnHosts
    public: frozenset[str]
    spool_dir: Path
    in_thread: InThread
    digests: Callable[[], Digests | None]
    sessions: Sessions | None
    login: str
    seconds: Callable[[], float]
    pause: Callable[[], Awaitable[None]]
    refresh: Callable[[], Awaitable[None]] | None
    guesses: Guesses
    audit: Callable[[AuditLine], None] | None
    now: Callable[[], datetime]

    def dialect(self, path: str) -> Dialect | None:
        """The dialect of a path: the one with the longest prefix."""
        fitting = [
            dialect
            for dialect in self.dialects
            if path == dialect.prefix or path.startswith(f"{dialect.prefix}/")
        ]
        return max(fitting, key=lambda dialect: len(dialect.prefix), default=None)

    def is_public(self, path: str) -> bool:
        """Whether a path needs no credentials."""
        return path in self.public or any(
            path.startswith(one) for one in self.public if one.endswith("/")
        )


_NOWHERE = Router(style=ErrorStyle())


class Verdict:
    """What the site makes of one request."""

    def __init__(self, parts: SiteParts, head: Head, *, closed: Unavailable | None) -> None:
        self.limit_bytes = 0
        self._parts = parts
        self._head = head
        self._closed = closed
        self._router = _NOWHERE
        self._path = ""
        self._host = ""
        self._query: Fields = {}
        self._principal = ANONYMOUS
        self._cookie = ""
        self._matched: Matched | None = None

    async def admit(self) -> Sink | None:
        """Judge the head; where its body goes, None when there is none."""
        head = self._head
        authority, raw_path, raw_query = split_target(head.target)
        self._path = _decoded(raw_path)
        dialect = self._parts.dialect(self._path)
        if dialect is not None:
            self._router = dialect.router
        if self._closed is not None and self._path != HEALTH_PATH:
            raise self._closed
        self._check_source(authority)
        self._query = decode_pairs(raw_query.encode("latin-1"))
        self._principal = await self._authenticate()
        self._matched = self._router.match(head.method, self._path)
        check_role(self._principal, self._role(self._matched.route))
        return self._sink(self._matched)

    async def answer(self, form: Form) -> Response | Stream:
        """Run the handler of the route."""
        if self._matched is None:
            raise AssertionError("only what was admitted is answered")
        scheme = "https" if self._head.is_secure else "http"
        call = Call(
            method=self._head.method,
            path=self._path,
            base_url=f"{scheme}://{self._host}",
            params=Params.of(self._query, form),
            principal=self._principal,
            headers=self._head.headers,
            client=self._head.client,
            in_thread=self._parts.in_thread,
            pause=self._parts.pause,
            body=form.body,
            document=form.document,
        )
        answer = await self._router.answer(self._matched, call)
        route, audit = self._matched.route, self._parts.audit
        if audit is not None and route.deed is not None and self._changes(route):
            line = audit_line(route.deed, self._matched, call, answer, at=self._parts.now())
            if line is not None:
                audit(line)
        if isinstance(answer, Stream) and (self._principal.proof or self._cookie):
            return replace(answer, chunks=self._while_good(answer))
        return answer

    async def _while_good(self, stream: Stream) -> AsyncGenerator[bytes, None]:
        """Send what is made piece by piece as long as who asked may ask.

        Raises:
            NotAuthenticated: what they have proved is good no more; a stream of events ends.
        """
        parts = self._parts
        async with aclosing(stream.chunks) as chunks:
            async for chunk in chunks:
                if parts.refresh is not None:
                    await parts.refresh()
                if parts.sessions is None or parts.sessions.is_good(self._principal, self._cookie):
                    yield chunk
                elif stream.content_type == EVENTS:
                    return
                else:
                    raise NotAuthenticated("The user, token or session was taken away")

    def refusal(self, failure: Failure) -> Response:
        """Say in the words of the dialect what went wrong."""
        answer = failure_response(
            failure, self._router.style, where=f"{self._head.method} {self._path}"
        )
        if not isinstance(failure.value, NotAuthenticated):
            return answer
        if self._is_led_to_login():
            return redirect(f"{self._parts.login}?next={quote(self._head.target, safe='')}")
        digests = self._parts.digests()
        if digests is None or self._router.style.challenge != BASIC:
            return answer
        # Before the other challenges: some clients look at the first one only.
        challenge = digests.challenge(is_stale=isinstance(failure.value, StaleNonce))
        return replace(answer, headers=(("WWW-Authenticate", challenge), *answer.headers))

    def _is_led_to_login(self) -> bool:
        """Whether a browser asks for a page, for somebody who may have credentials."""
        head, parts = self._head, self._parts
        is_page = self._path == "/" or parts.dialect(self._path) is parts.dialect(parts.login)
        accepted = ",".join(head.values("accept")).lower()
        return (
            parts.sessions is not None
            and is_page
            and head.method in {"GET", "HEAD"}
            and "text/html" in accepted
            and not head.values("authorization")
            and all(mode == "navigate" for mode in head.values("sec-fetch-mode"))
        )

    def _check_source(self, authority: str | None) -> None:
        head, hosts = self._head, self._parts.hosts
        self._host = check_host(head.values("host"), authority, hosts)
        check_origin(
            head.method,
            host=self._host,
            origins=head.values("origin"),
            fetch_sites=head.values("sec-fetch-site"),
            own=hosts,
        )

    def _role(self, route: Route) -> Role:
        """The role that is needed; a GET that changes something is held to the rules of a POST."""
        if route.changes_with is None or not self._changes(route):
            return route.role
        head = self._head
        check_origin(
            "POST",
            host=self._host,
            origins=head.values("origin"),
            fetch_sites=head.values("sec-fetch-site"),
            own=self._parts.hosts,
        )
        return max(route.role, Role.RUN)

    def _changes(self, route: Route) -> bool:
        """Whether the request is one that may change something."""
        argument = route.changes_with
        return argument is None or is_on(self._query.get(argument, ()))

    async def _authenticate(self) -> Principal:
        """Deny by default; a public path is served to nobody in particular, too."""
        access = self._router.access or self._parts.access
        api_keys = self._query.get("apikey", ())
        credentials = credentials_of(
            self._head.values("authorization"),
            api_keys,
            method=self._head.method,
            target=self._head.target,
        )
        if self._parts.refresh is not None:
            await self._parts.refresh()
        if isinstance(credentials, NoCredentials) and self._parts.sessions is not None:
            cookie = cookie_of(self._head.values("cookie"), self._host)
            owner = self._parts.sessions.owner(cookie) if cookie else None
            if owner is not None:
                self._cookie = cookie
                return owner
        try:
            return await self._parts.guesses.authenticate(access, credentials, self._head.client)
        except NotAuthenticated:
            if self._parts.is_public(self._path):
                return ANONYMOUS
            raise

    def _sink(self, matched: Matched) -> Sink | None:
        rules, head = matched.route.body, self._head
        self.limit_bytes = rules.limit_bytes
        if head.length_bytes == 0:
            return None
        check_size(head.length_bytes or 0, rules.limit_bytes)
        content_type = next(iter(head.values("content-type")), "")
        encoding = ", ".join(head.values("content-encoding"))
        return sink_for(rules, content_type, encoding, self._parts.spool_dir)


def _decoded(raw_path: str) -> str:
    try:
        return unquote_to_bytes(raw_path.encode("latin-1")).decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("The path is not valid UTF-8") from None
