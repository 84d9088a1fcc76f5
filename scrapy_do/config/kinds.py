"""The kinds of value that an option can have: what may be written, and what it means.

Every `parse` raises ValueError with the end of a sentence that begins with the value.
"""

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Generic, TypeVar
from zoneinfo import ZoneInfo

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Generic[T]):
    """One kind of value: how it is read, and how the documentation describes it."""

    parse: Callable[[str], T]
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An address to listen on: an IP address or `localhost`, and a port (0: any free one)."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host == "localhost" or ip_address(self.host).is_loopback

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


_ENDPOINT = re.compile(r"(?:\[(?P<v6>[^\]]+)\]|(?P<host>[^:\[\]]+)):(?P<port>\d{1,5})")
_NUMBER = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[A-Za-z]*)")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MAX_PORT = 65535
_MIN_SECRET = 20
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_BYTES = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
}


def whole(minimum: int) -> Kind[int]:
    """Return the kind of whole numbers from a minimum up."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"\d{1,9}", text) or int(text) < minimum:
            raise ValueError(f"must be a whole number from {minimum}, such as {max(minimum, 3)}")
        return int(text)

    return Kind(parse=parse, says="a whole number")


def choice(*words: T) -> Kind[T]:
    """Return the kind that is one of some words."""
    known = {str(word): word for word in words}

    def parse(text: str) -> T:
        if text not in known:
            raise ValueError(f"must be one of: {', '.join(known)}")
        return known[text]

    return Kind(parse=parse, says=" or ".join(f"`{word}`" for word in known))


def optional(kind: Kind[T]) -> Kind[T | None]:
    """Return the kind that may also be left empty, which is None."""
    return Kind(
        parse=lambda text: kind.parse(text) if text else None, says=f"{kind.says}, or empty"
    )


def _flag(text: str) -> bool:
    words = {"on": True, "yes": True, "true": True, "1": True}
    words |= {"off": False, "no": False, "false": False, "0": False}
    if text.lower() not in words:
        raise ValueError("must be on or off")
    return words[text.lower()]


def _scaled(text: str, units: Mapping[str, int], problem: str) -> float:
    match = _NUMBER.fullmatch(text)
    if match is None or match["unit"].lower() not in units:
        raise ValueError(problem)
    return float(match["number"]) * units[match["unit"].lower()]


def _duration(text: str) -> float:
    return _scaled(text, _SECONDS, "must be a duration such as 90, 30s, 10m, 2h or 7d")


def _positive_duration(text: str) -> float:
    if (duration_s := _duration(text)) <= 0:
        raise ValueError("must be more than 0, such as 5s")
    return duration_s


def _size(text: str) -> int:
    return int(_scaled(text, _BYTES, "must be a size such as 1048576, 512kB, 50MB or 1GiB"))


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for part in text.split(",") if (name := part.strip())))


def _paths(text: str) -> tuple[Path, ...]:
    paths = tuple(map(Path, _names(text)))
    if any(not path.is_absolute() for path in paths):
        raise ValueError("must be absolute paths such as /srv/exports, /mnt/images")
    return paths


def _endpoints(text: str) -> tuple[Endpoint, ...]:
    endpoints = tuple(_endpoint(part) for part in _names(text))
    if not endpoints:
        raise ValueError("must name at least one address, such as 127.0.0.1:7654")
    return endpoints


def _endpoint(text: str) -> Endpoint:
    match = _ENDPOINT.fullmatch(text)
    problem = "must be addresses with ports, such as 127.0.0.1:7654, [::1]:7654"
    if match is None or int(match["port"]) > _MAX_PORT:
        raise ValueError(problem)
    host = match["v6"] or match["host"]
    if host != "localhost":
        try:
            host = str(ip_address(host))
        except ValueError:
            raise ValueError(problem) from None
    return Endpoint(host=host, port=int(match["port"]))


def _zone(text: str) -> str:
    if text:
        try:
            ZoneInfo(text)
        except (LookupError, ValueError, OSError):
            raise ValueError("must be the name of a time zone, such as Europe/Warsaw") from None
    return text


def _secret(text: str) -> str | None:
    if text and len(text) < _MIN_SECRET:
        raise ValueError(f"must have at least {_MIN_SECRET} characters")
    return text or None


def _grants(text: str) -> Mapping[str, str | None]:
    """Return each granted variable with its value, None where the daemon's own is passed on."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"must be quoted as in a shell ({error})") from error
    grants: dict[str, str | None] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not _VARIABLE.fullmatch(name):
            raise ValueError("must be variables such as HTTP_PROXY or REGION=eu")
        grants[name] = value if equals else None
    return grants


def granted(grants: Mapping[str, str | None], environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return the variables of `grants`; one to pass on that is not there is left out."""
    values = {name: environ.get(name) if own is None else own for name, own in grants.items()}
    return {name: value for name, value in values.items() if value is not None}


TEXT: Kind[str | None] = Kind(parse=lambda text: text or None, says="text, or empty")
SECRET: Kind[str | None] = Kind(parse=_secret, says="text of 20 characters or more, or empty")
PATH: Kind[Path] = Kind(parse=lambda text: Path(text).expanduser().absolute(), says="a path")
FLAG: Kind[bool] = Kind(parse=_flag, says="`on` or `off`")
DURATION: Kind[float] = Kind(parse=_duration, says="a duration")
POSITIVE_DURATION: Kind[float] = Kind(parse=_positive_duration, says="a duration above 0")
SIZE: Kind[int] = Kind(parse=_size, says="a size")
NAMES: Kind[tuple[str, ...]] = Kind(parse=_names, says="names separated by commas")
PATHS: Kind[tuple[Path, ...]] = Kind(parse=_paths, says="absolute paths separated by commas")
ENDPOINTS: Kind[tuple[Endpoint, ...]] = Kind(
    parse=_endpoints, says="ADDRESS:PORT, separated by commas"
)
ZONE: Kind[str] = Kind(parse=_zone, says="the name of a time zone, or empty")
GRANTS: Kind[Any] = Kind(parse=_grants, says="NAME or NAME=VALUE, separated by blanks")
