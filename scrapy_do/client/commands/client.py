"""Commands about daemons as such: status, open, login, logout, profile, api, completion."""

import re
import string
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

from scrapy_do.client.errors import Exit, UserError
from scrapy_do.client.invocation import Group, Invocation, can_ask, command, pass_call
from scrapy_do.client.names import JOB, PROFILE

if TYPE_CHECKING:
    from scrapy_do.client.http import DaemonClient
    from scrapy_do.client.settings import Profiles

_STATUS = (
    *("daemon-version", "uptime", "hostname", "slots", "jobs-running", "jobs-pending"),
    *("jobs-scheduled", "jobs-run", "jobs-successful", "jobs-failed", "jobs-canceled"),
    *("projects", "spiders", "memory-usage", "disk-free", "scheduler-lag-s", "database", "time"),
)
_USUAL_PROFILE = "default"


@command("status")
@click.option("--watch", is_flag=True, help="Keep telling each change; JSON lines with --json.")
@pass_call
def status(call: Invocation, *, watch: bool) -> None:
    """How the daemon is, and what it has done."""
    _tell_status(call, is_stream=watch)
    if watch:
        from scrapy_do.client.following import events  # noqa: PLC0415 - Note [Why commands ...]

        for event in events(call, "/ui/events", [("of", "status")]):
            if event.name in {"status", "resync"}:
                _tell_status(call, is_stream=True)


def _tell_status(call: Invocation, *, is_stream: bool) -> None:
    answer = call.daemon.get("/status.json")
    answer.pop("status", None)
    if is_stream and call.out.as_json:
        call.out.json_line(answer)
        return
    if is_stream and call.out.is_terminal:
        click.clear()
    shown: dict[str, str] = {}
    if call.out.is_terminal:
        shown["memory-usage"] = f"{answer['memory-usage']:.0f} MiB"
        shown["disk-free"] = f"{answer['disk-free'] / 1e9:.1f} GB"
    told = [(name, shown.get(name, answer[name])) for name in _STATUS]
    call.out.facts([("url", call.settings.url), *told], answer)


@command("open")
@click.argument("what", required=False, metavar="[JOB|PROJECT]", type=JOB)
@pass_call
def open_page(call: Invocation, *, what: str | None) -> None:
    """Open the page of the daemon, of a job or of a project in a browser."""
    from scrapy_do.client.names import find_job  # noqa: PLC0415 - Note [Why commands ...]

    path = "/ui/"
    if what is not None:
        if what in call.daemon.get("/list-projects.json")["projects"]:
            path = f"/ui/projects/{quote(what, safe='')}"
        else:
            path = f"/ui/jobs/{find_job(call, what)['identifier']}"
    address = call.settings.url + path
    if call.out.as_json:
        call.out.document({"url": address})
    else:
        call.out.line(address)
    if call.out.is_terminal:
        click.launch(address)


@command("login")
@click.argument("url", required=False)
@click.option("--username", help="The user; without one a token is asked for.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--token-stdin", is_flag=True, help="Read a token from standard input.")
@click.option(
    "--ca-file",
    metavar="FILE",
    help="The authority that signed the daemon's certificate, in PEM.",
)
@click.option("--project", "-p", help="The project for commands that name none.")
@pass_call
def login(
    call: Invocation,
    *,
    url: str | None,
    username: str | None,
    password_stdin: bool,
    token_stdin: bool,
    ca_file: str | None,
    project: str | None,
) -> None:
    """Remember a daemon and its credentials as a profile, once it has accepted them.

    The profile is that of --profile, or `default`, and becomes the current one. Without a URL it is
    that of --url, or the one that the profile has.
    """
    from scrapy_do.client.http import Credentials, DaemonClient  # noqa: PLC0415 - the same
    from scrapy_do.client.settings import DEFAULT_URL, USUAL_TIMEOUT_S  # noqa: PLC0415 - the same

    name = call.flags.profile or _USUAL_PROFILE
    limit_s = call.flags.timeout or USUAL_TIMEOUT_S
    profiles = _profiles()
    known = profiles.values(name)
    address = (url or call.flags.url or known.get("url") or DEFAULT_URL).rstrip("/")
    kept = {"url": address}
    if known.get("url") == address:
        kept |= {key: known[key] for key in ("project", "ca_file") if key in known}
    if project:
        kept["project"] = project
    if ca_file:
        kept["ca_file"] = str(Path(ca_file).absolute())
    secret = sys.stdin.readline().rstrip("\r\n") if password_stdin or token_stdin else ""
    if (password_stdin or token_stdin) and not secret:
        raise UserError(
            "nothing came on standard input",
            try_=call.again(),
            code=Exit.USAGE,
        )
    if password_stdin and not username:
        raise click.UsageError("--password-stdin needs --username")
    authority = kept.get("ca_file")
    probe = DaemonClient(address, timeout_s=limit_s, ca_file=authority)
    if not secret and (username or _is_closed(probe)):
        secret, username = _asked(call, address, username)
    if secret:
        kept |= {"username": username, "password": secret} if username else {"token": secret}
    daemon = DaemonClient(
        address,
        credentials=Credentials(
            token=kept.get("token"), username=username, password=kept.get("password")
        ),
        timeout_s=limit_s,
        ca_file=authority,
    )
    try:
        daemon.get("/status.json")
    except UserError as error:
        if error.exit_code is Exit.LOGIN:
            error.try_ = call.again()
        raise
    profiles.put(name, kept)
    shown = {"profile": name, "url": address, "user": username or ("token" if secret else "")}
    call.out.facts(shown.items(), shown)


def _is_closed(probe: "DaemonClient") -> bool:
    """Whether a daemon wants to know who asks."""
    from scrapy_do.client.http import Refused  # noqa: PLC0415 - the same

    try:
        probe.get("/status.json")
    except Refused as error:
        if error.exit_code is not Exit.LOGIN:
            raise
        return True
    return False


def _asked(call: Invocation, address: str, username: str | None) -> tuple[str, str | None]:
    """Ask for who asks; a name that is left empty means a token."""
    if not can_ask():
        raise UserError(
            f"{address} wants to know who asks, and nobody can be asked here",
            try_=call.again(add=["--password-stdin" if username else "--token-stdin"]),
            code=Exit.LOGIN,
        )
    name = username or click.prompt(
        "User (empty: a token)", default="", show_default=False, err=True
    )
    secret = click.prompt("Password" if name else "Token", hide_input=True, err=True)
    return secret, name or None


@command("logout")
@pass_call
def logout(call: Invocation) -> None:
    """Forget the credentials of a profile: that of --profile, or the current one."""
    profiles = _profiles()
    name = call.flags.profile or profiles.current or _USUAL_PROFILE
    _known(call, name)
    had_any = profiles.forget_credentials(name)
    if not had_any:
        call.out.talk(f"{name} had no credentials")
    shown = {"profile": name, "forgotten": had_any}
    call.out.facts(shown.items(), shown)


@click.group("profile", cls=Group)
def profile() -> None:
    """The daemons that are remembered: list, use, show."""


@profile.command("list")
@pass_call
def list_profiles(call: Invocation) -> None:
    """List the profiles."""
    profiles = _profiles()
    shown = [
        {
            "profile": name,
            "current": name == profiles.current,
            "url": values.get("url", ""),
            "user": _user(values),
        }
        for name in profiles.names
        for values in [profiles.values(name)]
    ]
    call.out.rows(["profile", "current", "url", "user"], [[*one.values()] for one in shown], shown)


@profile.command("use")
@click.argument("name", type=PROFILE)
@pass_call
def use_profile(call: Invocation, *, name: str) -> None:
    """Make a profile the current one."""
    _known(call, name)
    _profiles().use(name)
    call.out.facts([("profile", name)], {"profile": name})


@profile.command("show")
@click.argument("name", required=False, type=PROFILE)
@pass_call
def show_profile(call: Invocation, *, name: str | None) -> None:
    """Show a profile, or the current one; no secrets."""
    profiles = _profiles()
    chosen = name or call.flags.profile or profiles.current or _USUAL_PROFILE
    _known(call, chosen)
    values = profiles.values(chosen)
    shown = {"profile": chosen, **{key: text for key, text in values.items() if key in _OPEN}}
    shown["user"] = _user(values)
    call.out.facts(shown.items(), shown)


_OPEN = ("url", "project", "ca_file")


def _user(values: dict[str, str]) -> str:
    return values.get("username") or ("token" if values.get("token") else "")


def _known(call: Invocation, name: str) -> None:
    """Refuse a profile that there is not."""
    names = _profiles().names
    if name not in names:
        raise UserError(
            f'there is no profile "{name}"',
            notes=[f"known: {', '.join(names)}"] if names else (),
            try_=call.hint("profile", "list")
            if names
            else f"scrapy-do login http://localhost:7654 --profile {name}",
            code=Exit.NOT_FOUND,
        )


def _profiles() -> "Profiles":
    import os  # noqa: PLC0415 - the environment is read here only

    from scrapy_do.client.settings import Profiles, profiles_path  # noqa: PLC0415 - the same

    return Profiles(profiles_path(os.environ))


# --- requests of one's own -----------------------------------------------------------------------


@command("api")
@click.argument("method")
@click.argument("path")
@click.option(
    "-f",
    "--field",
    "fields",
    multiple=True,
    metavar="NAME=VALUE",
    help="A field; of a GET in its query. May be repeated.",
)
@click.option(
    "-F",
    "--file",
    "files",
    multiple=True,
    metavar="[NAME=@]FILE",
    help="A file: alone the body itself, with a name a part of a form.",
)
@pass_call
def api(
    call: Invocation, *, method: str, path: str, fields: tuple[str, ...], files: tuple[str, ...]
) -> None:
    """Send a request of your own to the daemon, signed: its answer goes to standard output."""
    if not re.fullmatch("[A-Za-z]{1,20}", method):
        raise click.BadParameter(f"{method!r} is no method such as GET", param_hint="METHOD")
    verb, path = method.upper(), "/" + quote(path.lstrip("/"), safe=string.punctuation)
    path, body, headers = _request(verb, path, [_pair(field) for field in fields], files)
    with call.daemon.request(verb, path, body, headers) as response:
        kind = response.headers.get("Content-Type", "")
        if call.out.as_json and not kind.startswith("application/json"):
            raise UserError(
                f"the answer of {path} is {kind or 'without a type'}, no JSON",
                try_=call.hint("api", verb, path),
            )
        stream = sys.stdout.buffer
        for chunk in call.daemon.chunks(response):
            stream.write(chunk)
            stream.flush()


def _request(
    verb: str, path: str, pairs: list[tuple[str, str]], files: tuple[str, ...]
) -> tuple[str, bytes | Iterator[bytes] | None, dict[str, str]]:
    """The path, the body and the headers of a request."""
    from urllib.parse import urlencode  # noqa: PLC0415 - Note [Why commands import inside ...]

    from scrapy_do.client.http import multipart  # noqa: PLC0415 - the same

    named = {
        name: Path(file[1:])
        for name, _, file in (one.partition("=") for one in files)
        if file.startswith("@")
    }
    bodies = [Path(one) for one in files if one.partition("=")[0] not in named]
    for file in (*named.values(), *bodies):
        if not file.is_file():
            raise click.BadParameter(f"{file}: no such file", param_hint="-F")
    if bodies and (named or pairs or len(bodies) > 1):
        raise click.UsageError("a file that is the body leaves no room for fields or other files")
    if bodies:
        kind = "application/json" if bodies[0].suffix == ".json" else "application/octet-stream"
        return path, bodies[0].read_bytes(), {"Content-Type": kind}
    if named:
        body, headers = multipart(pairs, named)
        return path, body, headers
    if verb in {"GET", "HEAD"}:
        query = f"{'&' if '?' in path else '?'}{urlencode(pairs)}" if pairs else ""
        return path + query, None, {}
    kind = "application/x-www-form-urlencoded"
    return path, urlencode(pairs).encode(), {"Content-Type": kind}


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise click.BadParameter(f"{text!r} is no NAME=VALUE", param_hint="-f")
    return name, value


@command("completion", has_json=False)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, *, shell: str) -> None:
    """Print the script that has a shell complete commands, spiders and jobs.

    In .bashrc: eval "$(scrapy-do completion bash)"
    """
    from click.shell_completion import get_completion_class  # noqa: PLC0415 - the same

    maker = get_completion_class(shell)
    assert maker is not None
    script = maker(context.find_root().command, {}, "scrapy-do", "_SCRAPY_DO_COMPLETE").source()
    click.echo(script)
