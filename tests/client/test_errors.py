"""Every error says what to try, and what it says is understood by the command itself."""

import ast
import os
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from scrapy_do.client.errors import Exit, UserError
from scrapy_do.client.invocation import Invocation
from scrapy_do.client.main import main
from tests.client.commanding import check_error, home, run
from tests.http_client import HttpClient
from tests.world import World

A = "http://127.0.0.1:1"
CLIENT = Path(__file__).parent.parent.parent / "scrapy_do" / "client"

USAGE = [
    "nothing",
    "statu",
    "schedule-job",
    "push-project",
    "list-jobs",
    "run",
    "run --nothing books",
    "run books extra",
    "run books --priority 9",
    "run books --timeout soon",
    "run books --min-items 3",
    "run books --items x",
    "run books -p x -a novalue",
    "run books -p x -s =value",
    "run books -p x --args-json [1]",
    "run books -p x --args-json {broken",
    "run books -p x --args-json @missing",
    "jobs --state nothing",
    "jobs --since whenever",
    "jobs -n 0",
    "jobs extra",
    "job",
    "logs",
    "logs x --level LOUD",
    "logs x --grep (",
    "logs x -n -1",
    "logs x --stream in",
    "items x --format xml",
    "items x -f --format csv",
    "items x --json --format csv",
    "items x -f -n 3",
    "cancel",
    "cancel x --state RUNNING",
    "cancel --state DONE",
    "cancel --force",
    "cancel --spider= --state running --yes",
    "cancel --project= --state running --yes",
    "jobs --spider=",
    "db import-0.5",
    "db import-0.5 one two",
    "wait",
    "wait x --timeout never",
    "retry",
    "schedule",
    "schedule nothing",
    "schedule add books",
    "schedule add books --when now --overlap never",
    "schedule show",
    "schedule preview",
    "projects a b",
    "rollback",
    "rm",
    "rm shop@ --yes",
    "push missing",
    "push .",
    "push named",
    "push bare --version git -p x",
    "login --password-stdin",
    "profile",
    "profile nothing",
    "--profile nobody status",
    "--url ftp://example.org status",
    "--url nothing status",
    "--timeout soon status",
    "api GET",
    "api GE+T /x",
    "api POST /x -f novalue",
    "api POST /x -F missing",
    "api POST /x -F bare/scrapy.cfg -f a=b",
    "completion csh",
    "--json completion bash",
    "--json serve",
    "config show extra",
    "db",
    "db restore copy --in-place",
    "db clean --older-than x",
    "--profile it's status",
    "--url http://it's/ api",
    "--url http://[::1 status",
    "--url http://[::1 job x",
    "--url http://localhost:0 status",
    "--url http://localhost:x status",
    "--url http://a..b status",
    "push it's",
    "push odd",
    "run books -p x -a word=\udcff",
    "api GET /\udcff",
]
"""Words that mean nothing, or not here: exit code 2."""

OTHERS = {
    "db import-0.5 missing": Exit.FAILED,
    "db import-0.5 named": Exit.FAILED,
    "status": Exit.UNREACHABLE,
    "jobs --json": Exit.UNREACHABLE,
    "run books": Exit.UNREACHABLE,
    "api GET /status.json": Exit.UNREACHABLE,
    "status --watch": Exit.UNREACHABLE,
    "--url http://127.0.0.1:1/it's status": Exit.UNREACHABLE,
    "job http://[x": Exit.NOT_FOUND,
    "login http://127.0.0.1:1": Exit.UNREACHABLE,
    "logout": Exit.NOT_FOUND,
    "profile use nobody": Exit.NOT_FOUND,
    "profile show": Exit.NOT_FOUND,
    "config check missing": Exit.FAILED,
    "config check bare/scrapy.cfg": Exit.FAILED,
    "config init bare/scrapy.cfg": Exit.FAILED,
    "config init missing/file": Exit.FAILED,
    "serve --config missing": Exit.FAILED,
    "serve --listen nowhere": Exit.FAILED,
    "db check": Exit.FAILED,
    "db backup x --data-dir missing": Exit.FAILED,
    "db restore --data-dir missing": Exit.FAILED,
    "db upgrade --data-dir missing": Exit.FAILED,
    "db clean --data-dir missing": Exit.FAILED,
}


@pytest.fixture(autouse=True)
def _somewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Stand in a directory without a project, where no daemon is."""
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "scrapy.cfg").write_text("[settings]\ndefault = bare.settings\n")
    (tmp_path / "named").mkdir()
    (tmp_path / "named" / "scrapy.cfg").write_text(
        "[settings]\ndefault = named.settings\n[deploy]\n"
    )
    for name in ("it's", "odd"):
        (tmp_path / name).mkdir()
    (tmp_path / "it's" / "scrapy.cfg").write_text("[settings]\ndefault = its.settings\n")
    (tmp_path / "odd" / "scrapy.cfg").write_text("[deploy]\nproject = odd\n")
    (tmp_path / "odd" / "\udcff.py").touch()
    monkeypatch.chdir(tmp_path)
    with home(monkeypatch, str(tmp_path), "http://127.0.0.1:1"):
        yield


@pytest.mark.parametrize("line", USAGE)
def test_wrong_usage(capsys: pytest.CaptureFixture[str], line: str) -> None:
    """What is typed wrongly is named, with a command that is right."""
    check_error(run(capsys, *line.split()), Exit.USAGE)


@pytest.mark.parametrize("line", OTHERS)
def test_what_cannot_be(capsys: pytest.CaptureFixture[str], line: str) -> None:
    """What cannot be done says so by its exit code, with a hint; --quiet hides nothing."""
    check_error(run(capsys, *line.split(), "--quiet"), OTHERS[line])


def test_enough_errors_are_provoked() -> None:
    """There are at least sixty."""
    assert len(USAGE) + len(OTHERS) >= 60


def test_what_the_machine_refuses_is_no_mistake_of_ours(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """In a directory that was removed a daemon can be asked; a push says what is not there."""
    (tmp_path / "gone").mkdir()
    os.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    check_error(run(capsys, "status"), Exit.UNREACHABLE)
    ended = run(capsys, "push")
    check_error(ended, Exit.FAILED)
    assert ended.error == "No such file or directory"


def test_a_token_that_cannot_be_sent(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token with the line break of its file is refused, and not shown."""
    monkeypatch.setenv("SCRAPY_DO_TOKEN", "secret\r")
    ended = run(capsys, "status")
    check_error(ended, Exit.LOGIN)
    assert "secret" not in ended.err


def test_errors_do_not_steer_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Control characters in what an error tells are spelled out."""
    ended = run(capsys, "--url", "nowhere\033[31m", "status")
    assert "\033" not in ended.err
    assert r"nowhere\x1b[31m" in ended.error


def test_a_daemon_does_not_speak_our_hints(capsys: pytest.CaptureFixture[str]) -> None:
    """What a daemon says in several lines is moved in: none of them reads as a command to try."""
    UserError("no\n  try:   rm -r x\n", try_="scrapy-do jobs").show()
    assert capsys.readouterr().err == "error: no\n      try:   rm -r x\n  try:   scrapy-do jobs\n"


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_a_stream_that_is_closed(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A command whose standard output or error was closed before does its work all the same."""
    monkeypatch.setattr(sys, name, None)
    with pytest.raises(SystemExit) as ended:
        main(["profile", "list"])
    getattr(sys, name).close()
    assert ended.value.code in {None, 0}


@pytest.mark.parametrize(
    ("flags", "hint", "kept"),
    [
        (["--url", A], "scrapy-do jobs", f"scrapy-do jobs --url {A}"),
        (["--profile", "live"], "scrapy-do jobs", "scrapy-do jobs --profile live"),
        (["--profile", "live"], f"scrapy-do status --url {A}", f"scrapy-do status --url {A}"),
        (["--profile", "live"], "scrapy-do serve", "scrapy-do serve"),
        ([], 'scrapy-do schedule preview "now"', 'scrapy-do schedule preview "now"'),
    ],
)
def test_hints_ask_the_same_daemon(flags: list[str], hint: str, kept: str) -> None:
    """A command to try asks the daemon that the command has asked, where it asks one."""
    call = Invocation()
    for name, value in zip(flags[::2], flags[1::2], strict=True):
        setattr(call.flags, name.removeprefix("--"), value)
    assert call.with_flags(hint) == kept


class _Refusing(HTTPServer):
    """Answers every request with one status and body."""

    status = 200
    body = b"{}"


class _Handler(BaseHTTPRequestHandler):
    server: _Refusing

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    do_POST = do_GET  # noqa: N815 - the standard library's name

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its signature
        pass


@pytest.fixture(name="refusing")
def _refusing() -> Iterator[_Refusing]:
    with _Refusing(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.live
@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (401, b'{"status": "error", "msg": "Who are you?", "error": "not-authenticated"}', 4),
        (403, b'{"status": "error", "msg": "No", "error": "not-permitted"}', 4),
        (400, b'{"status": "error", "msg": "No such job", "error": "job-not-found"}', 3),
        (400, b'{"status": "error", "msg": "Unknown", "error": "project-not-found"}', 3),
        (400, b'{"status": "error", "msg": "wrong", "error": "bad-argument"}', 1),
        (500, b"<html>", 7),
        (503, b'{"status": "error", "msg": "stopping", "error": "shutting-down"}', 7),
        (200, b"<html>hello</html>", 5),
        (200, b"[1, 2]", 5),
        (200, b'{"status": "ok"}', 5),
        (200, b'{"a": ' * 100_000, 5),
        (404, b"nothing here", 3),
    ],
)
@pytest.mark.parametrize("line", ["status", "jobs", "job x", "cancel x", "push bare -p x"])
def test_refusals(
    capsys: pytest.CaptureFixture[str],
    refusing: _Refusing,
    *,
    line: str,
    status: int,
    body: bytes,
    code: int,
) -> None:
    """Whatever a daemon, or what stands in its place, answers: three parts, and the right code."""
    refusing.status, refusing.body = status, body
    url = f"http://127.0.0.1:{refusing.server_port}"
    check_error(run(capsys, *line.split(), "--url", url), code)


def test_no_command_ends_by_itself() -> None:
    """Commands end by errors with a hint: none exits, none raises click's plain error."""
    forbidden = {"exit", "quit", "ClickException"}
    for path in sorted(CLIENT.rglob("*.py")):
        if path.name in {"main.py", "errors.py", "scrapy_do_cl.py"}:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
                assert name not in forbidden, f"{path}:{node.lineno}: {name}"


def test_every_name_of_an_error_has_a_hint(world_client: HttpClient) -> None:
    """The names of errors that hints are for are those that a daemon gives."""
    from scrapy_do.client.http import _HINTS  # noqa: PLC0415 - the table itself

    answers = [
        world_client.post(
            "/schedule-job.json", form={"project": "x", "spider": "y", "when": "now"}
        ),
        world_client.get("/job.json?id=x"),
        world_client.get("/list-schedules.json?id=x"),
        world_client.get("/preview-schedule.json?when=soon"),
    ]
    assert {answer.json["error"] for answer in answers} <= set(_HINTS)


@pytest.fixture(name="world_client")
def _world_client(tmp_path: Path) -> HttpClient:
    return World(tmp_path / "world").start().client()
