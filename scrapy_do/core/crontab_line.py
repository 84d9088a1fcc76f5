"""A line of a crontab, read as an order: when it runs, and what it runs if that is `scrapy crawl`.

Source: crontab(5) of Debian's cron: five fields or `@daily` and its like, then the command. Names
of variables (`CRON_TZ=`, `TZ=`) before the fields, as newer crons have them, give the zone.
"""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from scrapy_do.core.cron import fault_of
from scrapy_do.errors import BadWhen

_NICKNAMES = {
    "@yearly": "cron 0 0 1 1 *",
    "@annually": "cron 0 0 1 1 *",
    "@monthly": "cron 0 0 1 * *",
    "@weekly": "cron 0 0 * * 0",
    "@daily": "every day at 00:00",
    "@midnight": "every day at 00:00",
    "@hourly": "every hour at :00",
}
_VARIABLE = re.compile(r"\s*([A-Z_]+)\s*=\s*(\"[^\"]*\"|'[^']*'|\S*)\s*")
_FIELDS = 5
_EXAMPLE = "for example: '30 3 * * 1-5 cd /srv/books && scrapy crawl books'"


@dataclass(frozen=True, slots=True, kw_only=True)
class CrontabLine:
    """What a line says. `zone` and `spider` are "" where it does not say."""

    when: str
    command: str
    zone: str = ""
    spider: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)


def read_crontab_line(text: str) -> CrontabLine:
    """Read one line.

    Raises:
        BadWhen: it is none, or means what no schedule can.
    """
    rest, zone = text.strip(), ""
    if not rest or rest.startswith("#"):
        raise BadWhen(f"the line is empty or a comment; {_EXAMPLE}")
    while match := _VARIABLE.match(rest):
        if match[1] in ("CRON_TZ", "TZ"):
            zone = match[2].strip("\"'").removeprefix(":")
        rest = rest[match.end() :]
    words = rest.split(None, _FIELDS)
    if not words:
        raise BadWhen(f"the line sets variables only; {_EXAMPLE}")
    nickname = words[0].lower()
    if nickname.startswith("@"):
        if nickname not in _NICKNAMES:
            known = ", ".join(_NICKNAMES)
            raise BadWhen(f"'{words[0][:30]}' is no time that comes again; known are {known}")
        when, command = _NICKNAMES[nickname], rest.partition(words[0])[2].strip()
    else:
        expression = " ".join(words[:_FIELDS]).upper()
        fault = "five fields are needed" if len(words) < _FIELDS else fault_of(expression)
        if fault is not None:
            raise BadWhen(f"the first five fields are no time ({fault}); {_EXAMPLE}")
        when, command = f"cron {expression}", "".join(words[_FIELDS:])
    spider, values = _crawl(command)
    return CrontabLine(
        when=when,
        command=command,
        zone=zone,
        spider=spider,
        arguments=values["-a"],
        settings=values["-s"],
    )


def _crawl(command: str) -> tuple[str, Mapping[str, Mapping[str, str]]]:
    """The spider of a command and its `-a` and `-s`, if it is `scrapy crawl`; "" if not."""
    spider, values = "", {"-a": dict[str, str](), "-s": dict[str, str]()}
    try:
        words = shlex.split(command.replace("&&", " ; ").replace("|", " ; "))
    except ValueError:
        return spider, values
    programs = [(one.rpartition("/")[2], two) for one, two in pairwise(words)]
    if ("scrapy", "crawl") not in programs:
        return spider, values
    place = programs.index(("scrapy", "crawl"))
    rest = iter(words[place + 2 :])
    for word in rest:
        if word in (";", ">", ">>", "2>&1") or word.startswith((">", "2>")):
            break
        if word[:2] in values:
            name, equals, value = (word[2:] or next(rest, "")).partition("=")
            if name and equals:
                values[word[:2]][name] = value
        elif word in ("-o", "-O", "-t", "--logfile", "-L", "--loglevel", "--nolog"):
            if word != "--nolog":
                next(rest, "")
        elif not word.startswith("-"):
            spider = spider or word
    return spider, values
