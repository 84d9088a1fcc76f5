"""`scrapy-do doctor`: what a daemon needs of its machine, looked at one by one."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from scrapy_do.client.errors import UserError
from scrapy_do.client.invocation import Invocation, command, pass_call
from scrapy_do.client.server_options import config_option, data_dir_option, overridden
from scrapy_do.client.versions import OLDEST, too_old

if TYPE_CHECKING:
    from scrapy_do.config import Config, Endpoint

_LITTLE_BYTES, _TOO_LITTLE_BYTES = 2_000_000_000, 200_000_000
_OLDEST_PYTHON = (3, 11)
_FIRST_YEAR = 2026
_LIMIT_S = 3.0
_REFUSALS_OF_OURS = frozenset({"not-authenticated", "wrong-host"})
"""Only a daemon of ours names its errors so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at; `state` is ok, warning or problem, `hint` a command to try."""

    check: str
    state: str
    detail: str
    hint: str = ""


@command("doctor")
@config_option
@data_dir_option
@pass_call
def doctor(call: Invocation, *, config_path: Path | None, data_dir: str | None) -> None:
    """Look at what a daemon needs here: port, disk, clock, zone, Python, Scrapy, TLS, database."""
    findings = [_python(), *_libraries()]
    from scrapy_do.config import load  # noqa: PLC0415 - Note [Why commands import inside ...]
    from scrapy_do.errors import ConfigError  # noqa: PLC0415 - the same

    try:
        config = load(config_path, overridden(os.environ, data_dir))
    except ConfigError as error:
        hint = "scrapy-do config init FILE"
        findings.append(_problem("configuration", str(error), hint))
    else:
        findings += [*_configured(config)]
    shown = [{**asdict(one), "try": one.hint} for one in findings]
    for one in shown:
        del one["hint"]
    rows = [[one.check, one.state, one.detail] for one in findings]
    call.out.rows(["check", "state", "detail"], rows, shown)
    problems = [one for one in findings if one.state == "problem"]
    if problems:
        raise UserError(
            f"{problems[0].check}: {problems[0].detail}",
            notes=[f"also {one.check}: {one.detail}" for one in problems[1:]],
            try_=problems[0].hint,
        )


def _problem(check: str, detail: str, hint: str) -> Finding:
    return Finding(check=check, state="problem", detail=detail, hint=hint)


def _ok(check: str, detail: str) -> Finding:
    return Finding(check=check, state="ok", detail=detail)


def _warning(check: str, detail: str, hint: str) -> Finding:
    return Finding(check=check, state="warning", detail=detail, hint=hint)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < _OLDEST_PYTHON:
        return _problem("python", f"{version} is older than 3.11", "scrapy-do --version")
    return _ok("python", f"{version}, {sys.executable}")


def _libraries() -> Iterator[Finding]:
    from importlib.metadata import version  # noqa: PLC0415 - the same

    problems = dict(too_old())
    for name in OLDEST:
        if name in problems:
            upgrade = f"{sys.executable} -m pip install --upgrade {name}"
            yield _problem(name, problems[name], upgrade)
        else:
            yield _ok(name, version(name))


def _configured(config: "Config") -> Iterator[Finding]:
    for warning in config.warnings:
        yield _warning("configuration", warning, "scrapy-do config show --origin")
    for endpoint in config.web.interfaces:
        yield _port(endpoint, "https" if config.web.https else "http")
    yield _disk(config.scrapy_do.project_store)
    yield _isolation(config)
    yield _clock()
    zone = config.scrapy_do.timezone
    yield _ok(
        "zone", f"{zone}, now {datetime.now().astimezone().strftime('UTC%z')} on this machine"
    )
    yield _tls(config)
    yield _database(config)


def _port(endpoint: "Endpoint", scheme: str) -> Finding:
    address = str(endpoint)
    family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((endpoint.host, endpoint.port))
    except OSError as error:
        return _who_has(f"{scheme}://{address}", error)
    return _ok("port", f"{address} is free")


def _who_has(url: str, error: OSError) -> Finding:
    """Say who has a port: a daemon of ours is as it should be, also one that wants credentials."""
    from scrapy_do.client.http import DaemonClient, Refused  # noqa: PLC0415 - the same

    try:
        answer = DaemonClient(url, timeout_s=_LIMIT_S, is_verified=False).get("/status.json")
        return _ok("port", f"a daemon answers at {url}, version {answer['daemon-version']}")
    except Refused as refused:
        if refused.kind in _REFUSALS_OF_OURS:
            return _ok("port", f"a daemon answers at {url}: {refused.message}")
    except (UserError, KeyError):
        pass
    hint = "scrapy-do serve --listen 127.0.0.1:0"
    return _problem("port", f"{url}: {error.strerror or error}", hint)


def _isolation(config: "Config") -> Finding:
    from scrapy_do.engine.isolation import isolation_in_words  # noqa: PLC0415 - the same

    holds, words = isolation_in_words(config)
    if holds:
        return _ok("isolation", words)
    return _warning("isolation", words, "scrapy-do config show --origin")


def _disk(directory: Path) -> Finding:
    place = directory.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    detail = f"{free / 1e9:.1f} GB free in {place}"
    if not os.access(place, os.W_OK):
        return _problem("disk", f"{place} cannot be written to", "scrapy-do serve --data-dir DIR")
    if free < _TOO_LITTLE_BYTES:
        return _problem("disk", detail, "scrapy-do db clean --dry-run")
    if free < _LITTLE_BYTES:
        return _warning("disk", detail, "scrapy-do db clean --dry-run")
    return _ok("disk", detail)


def _clock() -> Finding:
    now = datetime.now().astimezone().isoformat(" ", "seconds")
    if time.gmtime().tm_year < _FIRST_YEAR:
        return _problem("clock", f"{now} is in the past", "scrapy-do doctor")
    try:
        words = ["timedatectl", "show", "--property=NTPSynchronized", "--value"]
        said = subprocess.run(words, capture_output=True, text=True, timeout=_LIMIT_S, check=False)  # noqa: S603 - constant words
    except (OSError, subprocess.TimeoutExpired):
        return _ok("clock", now)
    if said.stdout.strip() == "no":
        return _warning("clock", f"{now}, and nobody sets it right (NTP)", "scrapy-do doctor")
    return _ok("clock", now)


def _tls(config: "Config") -> Finding:
    if not config.web.https:
        is_private = all(endpoint.is_loopback for endpoint in config.web.interfaces)
        if is_private:
            return _ok("tls", "off, on loopback only")
        hint = "scrapy-do config show --origin"
        return _warning("tls", "off, and others can read what is sent", hint)
    import ssl  # noqa: PLC0415 - for HTTPS only

    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(config.web.cert, config.web.key)
    except (OSError, ValueError) as error:
        return _problem("tls", f"{config.web.cert}: {error}", "scrapy-do config show --origin")
    return _ok("tls", f"on, {ssl.OPENSSL_VERSION}")


def _database(config: "Config") -> Finding:
    import sqlite3  # noqa: PLC0415 - Note [Why commands import ...]

    from scrapy_do.engine.checking import check  # noqa: PLC0415 - the same
    from scrapy_do.engine.pairing import Pair  # noqa: PLC0415 - the same
    from scrapy_do.errors import ScrapyDoError  # noqa: PLC0415 - the same
    from scrapy_do.files.data_directory import DataDirectory  # noqa: PLC0415 - the same

    root = config.scrapy_do.project_store
    if not root.is_dir():
        return _ok("database", f"none yet: the first start makes {root.absolute()}")
    pair = Pair(DataDirectory(root), config.scrapy_do.database)
    try:
        report = check(pair)
    except (ScrapyDoError, OSError, sqlite3.Error) as error:
        return _problem("database", str(error), "scrapy-do db check")
    finally:
        pair.close()
    if report.problem is not None:
        return _problem("database", report.problem, "scrapy-do db restore")
    return _ok("database", report.lines[0])
