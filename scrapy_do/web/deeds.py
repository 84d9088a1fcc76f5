"""What a request has done, as a line of the audit."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from scrapy_do.core.accounts import AuditLine
from scrapy_do.web.answer import Response, Stream
from scrapy_do.web.router import Call, Matched

_LOGIN = "login"
_SUBJECTS = (
    *("project", "name", "spider", "target", "id", "job", "version", "when", "do", "q", "cmd"),
    *("force", "selected", "create"),
)
"""The arguments that say to what something was done; none of them is a secret."""
_ANSWERS = ("identifier", "identifiers", "name", "project", "version", "jobid", "count")
"""What answers say of what was made."""
_LONGEST = 100
_LARGEST_ANSWER_BYTES = 10_000
_SEE_OTHER = 303


def audit_line(
    deed: str, matched: Matched, call: Call, answer: Response | Stream, *, at: datetime
) -> AuditLine | None:
    """Tell who did what to what; None for a form that came back as it could not be accepted."""
    is_page = matched.route.pattern.startswith("/ui")
    if is_page and (not isinstance(answer, Response) or answer.status != _SEE_OTHER):
        return None
    project = matched.values.get("project")
    who = call.principal.name
    if deed == _LOGIN:
        who = call.params.optional_text("name", "") or "token"
    return AuditLine(
        at=at,
        principal=who,
        address=call.client,
        action=deed,
        subject=" ".join(f"{name}={_short(value)}" for name, value in _subject(matched, call)),
        project_id=project if isinstance(project, int) else None,
        detail=_told(answer),
    )


def _subject(matched: Matched, call: Call) -> Iterator[tuple[str, object]]:
    yield from matched.values.items()
    for name in _SUBJECTS:
        if name not in matched.values:
            yield from ((name, text) for text in call.params.fields.get(name, ())[:1])


def _told(answer: Response | Stream) -> Mapping[str, str]:
    """What the answer says of what was made: where it leads, or the names in it."""
    if not isinstance(answer, Response):
        return {}
    places = {name.lower(): value for name, value in answer.headers if name == "Location"}
    if places or len(answer.body) > _LARGEST_ANSWER_BYTES:
        return places
    try:
        said: Any = json.loads(answer.body)
    except ValueError:
        return {}
    if not isinstance(said, dict):
        return {}
    return {name: _short(said[name]) for name in _ANSWERS if name in said}


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
