"""From a view and its template to an answer: the one place that makes HTML and sends it.

Everything that is shown is escaped; a name that a template uses and no view has is an error.
"""

import gzip
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from scrapy_do import __version__
from scrapy_do.core.principal import Principal, Role
from scrapy_do.operations.operations import Strain
from scrapy_do.ui import addresses, charts, words
from scrapy_do.web.answer import Headers, Response
from scrapy_do.web.router import Call
from scrapy_do.web.sessions import cookie_of
from scrapy_do.web.verdict import ANONYMOUS

HTML = "text/html; charset=utf-8"
SAFETY: Headers = (
    (
        "Content-Security-Policy",
        (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
            "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        ),
    ),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
)
_SMALL_BYTES = 1024
_LEVEL = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class PageView:
    """What a page function gives: a template, the values it shows, and the frame around them.

    `room` is the entry of the navigation that is current, "" for none. `live` names what the
    page wants to hear of, as events of `/ui/events`.
    """

    template: str
    title: str
    view: Any
    room: str = ""
    status: int = 200
    live: tuple[str, ...] = ()


@cache
def _environment() -> Environment:
    """The templates, compiled once in a process, with what all of them may use."""
    environment = Environment(
        loader=PackageLoader("scrapy_do.ui"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        curl=addresses.curl,
        curl_push=addresses.curl_push,
        jobs_page=addresses.jobs_page,
        project_page=addresses.project_page,
        run_page=addresses.run_page,
        scrapy_do=addresses.scrapy_do,
        scrapy_do_order=addresses.scrapy_do_order,
        schedule_page=addresses.schedule_page,
        spider_page=addresses.spider_page,
        version=__version__,
    )
    environment.filters.update(
        bars=charts.bars,
        bytes=words.size,
        duration=words.duration,
        exact=words.exact,
        in_zone=words.in_zone,
        iso=words.iso,
        named=words.named,
        number=words.number,
        shell=shlex.quote,
        outcome=words.outcome,
        state=words.state,
    )
    return environment


class Renderer:
    """Makes answers of pages. `now` is the wall clock; `zone` the name of the server's zone.

    `times` is how times are shown to who has not chosen: see the option of that name.
    """

    def __init__(
        self,
        *,
        names: Mapping[str, str],
        now: Callable[[], datetime],
        zone: str,
        times: str,
        strain: Callable[[], Strain],
    ) -> None:
        self._strain = strain
        self._now = now
        self._zone = zone
        self._times = times
        self._names = names

    def html(
        self,
        page: PageView,
        *,
        path: str,
        base: str,
        by: Principal | None,
        has_session: bool = False,
    ) -> bytes:
        """The text of a page for the address `path` of the server `base`, as somebody sees it."""
        template = _environment().get_template(page.template)
        return template.render(
            page=page,
            static=lambda name: f"/ui/static/{self._names[name]}",
            view=page.view,
            path=path,
            base=base,
            user="" if by is None else by.name,
            has_session=has_session,
            may_run=by is not None and by.may(Role.RUN),
            may_push=by is not None and by.may(Role.PUSH),
            is_guest=by is None or by.name == ANONYMOUS.name,
            strains=words.strained(self._strain()) if by is not None else (),
            now=self._now(),
            zone=self._zone,
            times=self._times,
        ).encode("utf-8", "backslashreplace")

    def answer(self, page: PageView, call: Call) -> Response:
        """A page as an answer to a request, compressed where that helps."""
        host = call.base_url.partition("://")[2]
        return compressed(
            self.html(
                page,
                path=call.path,
                base=call.base_url,
                by=call.principal,
                has_session=bool(cookie_of(call.headers.get("cookie", ()), host)),
            ),
            call,
            status=page.status,
            content_type=HTML,
            headers=(*SAFETY, ("Cache-Control", "no-store")),
        )


def compressed(
    body: bytes, call: Call, *, content_type: str, status: int = 200, headers: Headers = ()
) -> Response:
    """An answer, compressed by gzip when the client takes that and it is not small."""
    headers = (*headers, ("Vary", "Accept-Encoding"))
    if len(body) >= _SMALL_BYTES and takes_gzip(call):
        body = gzip.compress(body, _LEVEL, mtime=0)
        headers = (*headers, ("Content-Encoding", "gzip"))
    return Response(status=status, body=body, content_type=content_type, headers=headers)


def takes_gzip(call: Call) -> bool:
    """Whether the client says that it understands gzip."""
    for one in call.header("accept-encoding").lower().split(","):
        name, _, quality = one.partition(";")
        if name.strip() == "gzip":
            return quality.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False
