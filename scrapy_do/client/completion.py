"""What shells complete: names that the daemon knows, remembered for half a minute.

Nobody who presses a key waits: an answer may take 0.3 seconds, and whatever fails means that
there is nothing to complete.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from scrapy_do.client.http import DaemonClient

_REMEMBERED_S = 30.0
_LIMIT_S = 0.3

Look = Callable[["DaemonClient"], Sequence[str]]


def names(context: click.Context, kind: str, look: Look) -> Sequence[str]:
    """The names of a kind, from memory or from the daemon."""
    from scrapy_do.client.errors import UserError  # noqa: PLC0415 - Note [Why commands ...]
    from scrapy_do.client.invocation import Invocation  # noqa: PLC0415 - the same

    try:
        daemon = context.ensure_object(Invocation).daemon_within(_LIMIT_S)
        path = _place(f"{daemon.url} {kind}")
        found = _remembered(path)
        if found is None:
            found = look(daemon)
            _remember(path, found)
    except (UserError, OSError, ValueError, KeyError, TypeError):
        return ()
    return found


def _place(what: str) -> Path:
    from scrapy_do.client.settings import home_directory  # noqa: PLC0415 - Note [Why commands ...]

    base = os.environ.get("XDG_CACHE_HOME") or home_directory(os.environ) / ".cache"
    digest = hashlib.sha256(what.encode()).hexdigest()[:16]
    return Path(base) / "scrapy-do" / f"{digest}.json"


def _remembered(path: Path) -> Sequence[str] | None:
    with suppress(OSError, ValueError):
        if 0 <= time.time() - path.stat().st_mtime < _REMEMBERED_S:
            return [str(name) for name in json.loads(path.read_text())]
    return None


def _remember(path: Path, found: Sequence[str]) -> None:
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(json.dumps(list(found)))
