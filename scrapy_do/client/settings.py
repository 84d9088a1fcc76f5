"""Where the daemon is and who asks: what was said, by whom, and who goes first.

From the first to the last: the flags of the command, the environment, a profile that one of
these names, `[deploy]` of the project's `scrapy.cfg`, the user's profile, `.netrc`, the file of
Scrapy Do 0.5's client, the default. Credentials of a place that names a daemon are sent to that
daemon only.
"""

import configparser
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from urllib.parse import urlsplit

from scrapy_do.client.errors import Exit, UserError
from scrapy_do.client.times import parse_span

DEFAULT_URL = "http://localhost:7654"
USUAL_TIMEOUT_S = 90.0
VARIABLES = ("url", "token", "username", "password", "profile", "project", "timeout", "ca_file")
"""What the environment may say, as SCRAPY_DO_URL and so on."""

_SECRET = frozenset({"token", "password"})
_OTHERS_CAN_READ = stat.S_IRGRP | stat.S_IROTH | stat.S_IWGRP | stat.S_IWOTH
_MAIN = "scrapy-do"
_PROFILE = "profile:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A value, and who said it."""

    text: str
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What was found. `warnings` are for people to read, `values` all that counts, by its name."""

    values: Mapping[str, Said]
    warnings: tuple[str, ...] = ()

    def text(self, name: str) -> str | None:
        """A value, None where nobody has said it."""
        return self.values[name].text if name in self.values else None

    @property
    def url(self) -> str:
        """The address of the daemon, without a final slash."""
        return self.values["url"].text.rstrip("/")

    @property
    def timeout_s(self) -> float:
        """How long an answer may take, in seconds.

        Raises:
            UserError: what was said is no span.
        """
        said = self.values["timeout"]
        try:
            return parse_span(said.text)
        except ValueError:
            raise UserError(
                f"{said.origin}: {said.text!r} is no span such as 90s or 2m",
                try_="scrapy-do config show --origin",
                code=Exit.USAGE,
            ) from None

    def shown(self) -> Iterator[tuple[str, str, str]]:
        """Each value with its name and its origin, secrets as stars."""
        for name, said in self.values.items():
            yield name, "***" if name in _SECRET else said.text, said.origin


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """One place where values may be said."""

    origin: str
    values: Mapping[str, str] = field(default_factory=dict)


def settings_of(flags: Mapping[str, str | None], environ: Mapping[str, str], cwd: Path) -> Settings:
    """Find out what counts, standing in a directory.

    Raises:
        UserError: a profile that was asked for does not exist, or a file means nothing.
    """
    said = {name: text for name, text in flags.items() if text}
    environment = {
        name: environ[variable]
        for name in VARIABLES
        if environ.get(variable := f"SCRAPY_DO_{name.upper()}")
    }
    asked = said.get("profile") or environment.get("profile")
    profiles = Profiles(profiles_path(environ))
    places = [
        *(_Place(origin=f"--{name}", values={name: text}) for name, text in said.items()),
        *(
            _Place(origin=f"SCRAPY_DO_{name.upper()}", values={name: text})
            for name, text in environment.items()
        ),
    ]
    found = find_project_file(cwd)
    deploy = {} if found is None else deploy_sections(found)
    if asked:
        if asked not in deploy and asked not in profiles.names:
            names = ", ".join(sorted({*deploy, *profiles.names} - {""}))
            raise UserError(
                f'there is no profile "{asked}"',
                notes=[f"known: {names}"] if names else [],
                try_=f"scrapy-do login {DEFAULT_URL} --profile {quote(asked)}",
                code=Exit.USAGE,
            )
        if asked in deploy:
            places.append(_Place(origin=f"{found} [deploy:{asked}]", values=deploy[asked]))
        places.append(profiles.place(asked))
    places.append(_Place(origin=f"{found} [deploy]", values=deploy.get("", {})))
    if profiles.current:
        places.append(profiles.place(profiles.current))
    old = home_directory(environ) / ".scrapy-do.cfg"
    places.append(_Place(origin=str(old), values=old_client_values(old)))
    return _settled(places, environ, profiles)


def _settled(places: list[_Place], environ: Mapping[str, str], profiles: "Profiles") -> Settings:
    default = _Place(
        origin="default", values={"url": DEFAULT_URL, "timeout": f"{USUAL_TIMEOUT_S:.0f}"}
    )
    values: dict[str, Said] = {}
    for name in ("url", "project", "timeout", "profile"):
        for place in (*places, default):
            if text := place.values.get(name):
                values[name] = Said(text=text, origin=place.origin)
                break
    url = values["url"].text.rstrip("/")
    for place in (*places, _netrc(url, environ)):
        if place.values.get("url", url).rstrip("/") != url:
            continue
        for name in ("token", "username", "password", "ca_file"):
            is_other = name != "ca_file" and _is_answered(values, place.origin)
            if name not in values and not is_other and (text := place.values.get(name)):
                values[name] = Said(text=text, origin=place.origin)
    return Settings(values=values, warnings=tuple(profiles.warnings))


def _is_answered(values: Mapping[str, Said], origin: str) -> bool:
    """Whether who asks is known from another place; all variables are one place."""
    known = [values[name].origin for name in ("token", "username") if name in values]
    is_variable = origin.startswith("SCRAPY_DO_")
    return any(
        one != origin and not (is_variable and one.startswith("SCRAPY_DO_")) for one in known
    )


# --- the files -----------------------------------------------------------------------------------


def home_directory(environ: Mapping[str, str]) -> Path:
    """The user's home; the root directory for a user without one, such as in a container."""
    if home := environ.get("HOME"):
        return Path(home)
    import pwd  # noqa: PLC0415 - few have no HOME

    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return Path("/")


def config_directory(environ: Mapping[str, str]) -> Path:
    """The user's directory for configuration (XDG base directory specification)."""
    base = environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else home_directory(environ) / ".config") / "scrapy-do"


def profiles_path(environ: Mapping[str, str]) -> Path:
    """The file of the user's profiles."""
    return config_directory(environ) / "profiles.ini"


class Profiles:
    """The user's profiles: `[profile:NAME]`, each a daemon with who asks; one is current.

    Raises:
        UserError: the file means nothing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.warnings: list[str] = []
        self._parser = _parsed(path)
        try:
            mode = path.stat().st_mode
        except OSError:
            return
        if mode & _OTHERS_CAN_READ:
            self.warnings.append(f"{path} can be read by others: chmod 600 {path}")

    @property
    def names(self) -> list[str]:
        """Of all, in order."""
        sections = (name for name in self._parser.sections() if name.startswith(_PROFILE))
        return sorted(name.removeprefix(_PROFILE) for name in sections)

    @property
    def current(self) -> str:
        """The name of the one that counts, "" for none."""
        name = self._parser.get(_MAIN, "profile", fallback="")
        return name if name in self.names else ""

    def values(self, name: str) -> dict[str, str]:
        """What a profile says; nothing where there is none."""
        section = _PROFILE + name
        return dict(self._parser[section]) if section in self._parser else {}

    def place(self, name: str) -> _Place:
        """A profile as a place of values."""
        return _Place(origin=f"{self.path} [{_PROFILE}{name}]", values=self.values(name))

    def put(self, name: str, values: Mapping[str, str]) -> None:
        """Write a profile, and make it the current one."""
        self._parser[_PROFILE + name] = dict(values)
        self.use(name)

    def use(self, name: str) -> None:
        """Make a profile the current one."""
        self._parser[_MAIN] = {"profile": name}
        self._write()

    def forget_credentials(self, name: str) -> bool:
        """Take the credentials out of a profile; say whether there were any."""
        section = _PROFILE + name
        if section not in self._parser:
            return False
        removed = [
            self._parser.remove_option(section, one) for one in ("token", "username", "password")
        ]
        self._write()
        return any(removed)

    def _write(self) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            self._parser.write(file)
        fresh.replace(self.path)


def find_project_file(directory: Path) -> Path | None:
    """The `scrapy.cfg` of the project that a directory belongs to."""
    for place in (directory, *directory.parents):
        if (place / "scrapy.cfg").is_file():
            return place / "scrapy.cfg"
    return None


def deploy_sections(path: Path) -> dict[str, dict[str, str]]:
    """The targets of a `scrapy.cfg` by their name, "" for `[deploy]`; `$VAR` is expanded.

    What a named target does not say is as in `[deploy]`. Source: scrapyd-client.

    Raises:
        UserError: the file means nothing.
    """
    parser = _parsed(path)
    usual = dict(parser["deploy"]) if "deploy" in parser else {}
    targets = {"": usual}
    for section in parser.sections():
        if section.startswith("deploy:"):
            targets[section.removeprefix("deploy:")] = {**usual, **parser[section]}
    return {
        name: {key: os.path.expandvars(text) for key, text in values.items()}
        for name, values in targets.items()
    }


def settings_package(path: Path) -> str:
    """The package that a `scrapy.cfg` has its settings in, "" where it does not say."""
    return _parsed(path).get("settings", "default", fallback="").partition(".")[0].strip()


def old_client_values(path: Path) -> dict[str, str]:
    """What the file of Scrapy Do 0.5's client says.

    Raises:
        UserError: the file means nothing.
    """
    parser = _parsed(path)
    return dict(parser[_MAIN]) if _MAIN in parser else {}


def _parsed(path: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        is_text = isinstance(error, configparser.Error)
        problem = " ".join(str(error).split()) if is_text else "it is not text in UTF-8"
        raise UserError(
            f"{path}: {problem}", try_="scrapy-do config --help", code=Exit.USAGE
        ) from error
    return parser


def _netrc(url: str, environ: Mapping[str, str]) -> _Place:
    """Who asks, as `.netrc` says for the host of the daemon."""
    path = Path(environ.get("NETRC") or home_directory(environ) / ".netrc")
    try:
        host = urlsplit(url).hostname
    except ValueError:  # whoever asks this address says that it is none
        host = None
    if host is None or not path.is_file():
        return _Place(origin=str(path))
    import netrc  # noqa: PLC0415 - few have such a file

    try:
        found = netrc.netrc(str(path)).authenticators(host)
    except (netrc.NetrcParseError, OSError):
        found = None  # it is other programs' file
    if not found:
        return _Place(origin=str(path))
    return _Place(origin=str(path), values={"username": found[0], "password": found[2] or ""})
