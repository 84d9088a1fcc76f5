"""The zone of the machine by its name: what `TZ` says, else what the files in /etc say.

Source: tzset(3), which everything that shows a local time goes by; ours must be the same zone.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from zoneinfo import TZPATH, available_timezones

from scrapy_do.config import kinds
from scrapy_do.errors import ConfigError

LOCALTIME = Path("/etc/localtime")

_NO_ZONES = ("right/", "posixrules", "Factory")
"""Files of the zone database that stand for no zone; those in `right` count leap seconds."""

_ABBREVIATIONS: Mapping[str, str] = {
    "CET": "Europe/Brussels",
    "EET": "Europe/Athens",
    "EST": "America/Panama",
    "HST": "Pacific/Honolulu",
    "MET": "Europe/Brussels",
    "MST": "America/Phoenix",
    "WET": "Europe/Lisbon",
}
"""Names that schedules do not take, and the zones that they stand for. Source: tz, `backward`."""

_FIXED = re.compile(r"(?:[A-Za-z]{3,}|<[A-Za-z0-9+-]{3,}>)([+-]?)0?(\d{1,2})(?::?00)*", re.ASCII)
_MOST_WEST, _MOST_EAST = 12, 14


def machine_zone(environ: Mapping[str, str]) -> str:
    """Name the zone in which the process lives.

    Raises:
        ConfigError: `TZ`, or the machine, has a zone without a name.
    """
    if "TZ" in environ:
        return _of_variable(environ["TZ"])
    return _of_machine("the machine's zone has no name")


def _of_variable(text: str) -> str:
    """Return the zone that a value of TZ stands for; empty is UTC, as everywhere."""
    name = text.removeprefix(":").removeprefix("posix/")
    problem = f"TZ={text!r} in the environment names no time zone"
    if not name:
        return "UTC"
    if name in (str(LOCALTIME), LOCALTIME.name):
        return _of_machine(problem)
    if name.startswith(_NO_ZONES):
        _refuse(problem)
    if name.startswith("/"):
        return _of_file(Path(name)) or _refuse(problem)
    if name in _ABBREVIATIONS:
        return _ABBREVIATIONS[name]
    try:
        return kinds.ZONE.parse(name)
    except ValueError:
        return _fixed(name) or _refuse(problem)


def _of_machine(problem: str) -> str:
    from tzlocal import get_localzone_name  # noqa: PLC0415 - only needed without an option

    try:
        found = get_localzone_name()
    except LookupError:  # files in /etc that disagree; the one that counts decides
        found = None
    if found is None and not LOCALTIME.exists():
        return "UTC"
    name = found or _of_file(LOCALTIME) or _refuse(problem)
    return _ABBREVIATIONS.get(name, name)


def _of_file(path: Path) -> str | None:
    """Return the name of the zone that a file holds: by its place, else by its content."""
    real = path.resolve()
    for root in map(Path, TZPATH):
        if real.is_relative_to(root.resolve()):
            name = str(real.relative_to(root.resolve())).removeprefix("posix/")
            return _ABBREVIATIONS.get(name, name) if name in available_timezones() else None
    return next(_same(path), None)


def _same(path: Path) -> Iterator[str]:
    """Yield the names of the zones with the content of a file, those of places first."""
    try:
        content = path.read_bytes()
    except OSError:
        return
    for name in sorted(available_timezones(), key=lambda name: ("/" not in name, name)):
        for root in TZPATH:
            file = Path(root, name)
            if file.is_file() and file.read_bytes() == content:
                yield _ABBREVIATIONS.get(name, name)


def _fixed(text: str) -> str | None:
    """Return the zone of an offset that never changes, such as UTC0 or EST5; None: it is none."""
    match = _FIXED.fullmatch(text)
    if match is None:
        return None
    sign, hours = match[1] or "+", int(match[2])
    if hours == 0:
        return "UTC"
    if hours > (_MOST_EAST if sign == "-" else _MOST_WEST):
        return None
    return f"Etc/GMT{sign}{hours}"


def _refuse(problem: str) -> str:
    raise ConfigError(
        "scrapy-do",
        "timezone",
        f"is not set, and {problem}; set this option, or TZ, to a name such as Europe/Warsaw",
    )
