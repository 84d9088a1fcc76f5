"""Every command against a daemon: its JSON, what it pipes, and what it does."""

import contextlib
import io
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from scrapy_do.client.errors import Exit
from scrapy_do.client.invocation import Command
from scrapy_do.client.main import walk
from tests.client.commanding import Ended, check_error, home, run
from tests.files.release_0_5 import SCHEDULED, old_directory, row
from tests.live.running import PATIENCE_S, PROJECTS, Running, running
from tools.config_docs import CONF

pytestmark = pytest.mark.live


class Shop:
    """A daemon with something in it, and ways to more."""

    def __init__(self, daemon: Running, root: Path) -> None:
        self.daemon = daemon
        self.root = root
        self.numbers = count()
        self.project = root / "good"
        self.old = old_directory(root / "old", [row(1, SCHEDULED, "every 2 hours")])
        shutil.copytree(
            PROJECTS / "good", self.project, ignore=shutil.ignore_patterns("__pycache__")
        )
        daemon.push("good", root)
        daemon.push("good", root)
        self.job = daemon.run("noop")
        daemon.finished(self.job)

    def another(self) -> str:
        job = self.daemon.run("noop")
        self.daemon.finished(job)
        return job

    def sleeper(self) -> str:
        return self.daemon.run("sleeper")

    def schedule(self) -> str:
        answer = self.daemon.ask(
            "/schedule-job.json", project="good", spider="noop", when="every 2 hours"
        )
        identifier: str = answer["identifier"]
        return identifier

    def name(self) -> str:
        """A name that nobody has."""
        return f"name{next(self.numbers)}"

    def account(self, kind: str, how: str, *more: str) -> str:
        """A new user or token."""
        name = self.name()
        words = [sys.executable, "-m", "scrapy_do", kind, how, name, *more]
        words += ["--data-dir", str(self.daemon.data)]
        subprocess.run(words, input=SECRET, text=True, check=True, capture_output=True)
        return name

    def removable(self) -> str:
        self.daemon.ask("/push-project.json", archive=f"@{self.root / 'good.zip'}", name="other")
        return "other"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    root = tmp_path_factory.mktemp("shop")
    with running(root) as daemon:
        yield Shop(daemon, root)


@pytest.fixture
def command(
    shop: Shop,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[Callable[..., Ended]]:
    monkeypatch.chdir(tmp_path)
    with home(monkeypatch, str(tmp_path), shop.daemon.url):
        yield lambda *words: run(capsys, *words)


Words = Callable[[Shop], list[str]]
SECRET = "a long secret\n"
SAID = ("--password-stdin",)


def _where(shop: Shop) -> list[str]:
    return ["--data-dir", str(shop.daemon.data)]


EXAMPLES: dict[str, Words] = {
    "db backup": lambda shop: [str(shop.root / "copy"), "--data-dir", str(shop.daemon.data)],
    "db check": lambda shop: ["--data-dir", str(shop.daemon.data)],
    "db import-0.5": lambda shop: [str(shop.old)],
    "user add": lambda shop: [shop.name(), *SAID, *_where(shop)],
    "user list": _where,
    "user passwd": lambda shop: [shop.account("user", "add", *SAID), *SAID, *_where(shop)],
    "user rm": lambda shop: [shop.account("user", "add", *SAID), "--yes", *_where(shop)],
    "token create": lambda shop: [shop.name(), "--role", "read", *_where(shop)],
    "token list": _where,
    "token revoke": lambda shop: [
        shop.account("token", "create", "--role", "read"),
        "--yes",
        *_where(shop),
    ],
    "config show": lambda _: ["--origin"],
    "config check": lambda _: [str(CONF)],
    "config init": lambda shop: [str(shop.root / "copy")],
    "doctor": lambda shop: ["--data-dir", str(shop.daemon.data)],
    "push": lambda shop: [str(shop.project)],
    "projects": lambda _: [],
    "spiders": lambda _: ["good"],
    "rollback": lambda _: ["good"],
    "rm": lambda shop: [shop.removable(), "--yes"],
    "run": lambda _: ["noop"],
    "jobs": lambda _: [],
    "job": lambda shop: [shop.job],
    "stats": lambda shop: [shop.another(), "--compare"],
    "logs": lambda shop: [shop.job],
    "items": lambda shop: [shop.job],
    "cancel": lambda shop: [shop.sleeper()],
    "retry": lambda shop: [shop.job],
    "wait": lambda shop: [shop.job],
    "schedule add": lambda _: ["noop", "--when", "every 2 hours", "-p", "good"],
    "schedule list": lambda _: [],
    "schedule show": lambda shop: [shop.schedule()],
    "schedule pause": lambda shop: [shop.schedule()],
    "schedule resume": lambda shop: [shop.schedule()],
    "schedule rm": lambda shop: [shop.schedule(), "--yes"],
    "schedule run": lambda shop: [shop.schedule()],
    "schedule preview": lambda _: ["every monday at 12:30"],
    "status": lambda _: [],
    "open": lambda shop: [shop.job],
    "login": lambda shop: [shop.daemon.url],
    "logout": lambda _: [],
    "profile list": lambda _: [],
    "profile use": lambda _: ["default"],
    "profile show": lambda _: [],
    "api": lambda _: ["GET", "/status.json"],
}
ELSEWHERE = {"db restore", "db upgrade", "db clean"}
"""Commands that want no daemon that runs; their tests are with those of their kind."""

LINES = {"logs", "items"}
"""What goes on is a document in each line."""

NEED_PROFILE = {"logout", "profile use", "profile show"}
JSON_COMMANDS = [words for words, one in walk().items() if getattr(one, "has_json", False)]


@pytest.mark.parametrize("words", sorted(set(JSON_COMMANDS) - ELSEWHERE))
def test_json_and_pipes(
    shop: Shop, command: Callable[..., Ended], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --json standard output is JSON and no more; piped it is plain, and nothing is cut."""
    (shop.root / "copy").unlink(missing_ok=True)
    if words in NEED_PROFILE:
        command("login", shop.daemon.url)
    given = [*words.split(), *EXAMPLES[words](shop)]
    monkeypatch.setattr("sys.stdin", io.StringIO(SECRET))
    ended = command(*given, "--json")
    assert ended.code == Exit.DONE, ended
    if words in LINES:
        assert all(isinstance(json.loads(line), dict) for line in ended.out.splitlines())
    else:
        assert isinstance(json.loads(ended.out), dict | list)
        assert len(ended.out.splitlines()) == 1
    (shop.root / "copy").unlink(missing_ok=True)
    given = [*words.split(), *EXAMPLES[words](shop)]
    monkeypatch.setattr("sys.stdin", io.StringIO(SECRET))
    piped = command("--quiet", *given)
    assert (piped.code, piped.err) == (Exit.DONE, "")
    assert "\033" not in piped.out
    assert "\N{HORIZONTAL ELLIPSIS}" not in piped.out


def test_every_command_is_tried() -> None:
    """A command without JSON gives something else by its nature; all others have an example."""
    assert set(JSON_COMMANDS) == set(EXAMPLES) | ELSEWHERE
    others = {words for words, one in walk().items() if not getattr(one, "has_json", True)}
    assert others == {"serve", "demo", "completion", "service print-systemd"}
    assert all(isinstance(one, Command) or words in others for words, one in walk().items())


def test_fields_are_those_of_the_api(shop: Shop, command: Callable[..., Ended]) -> None:
    """What --json tells has the fields of the API, with their values."""
    job = json.loads(command("job", shop.job, "--json").out)
    assert job == shop.daemon.job(shop.job)
    listed = json.loads(command("jobs", "--json", "-n", "100", "--state", "successful").out)
    asked = shop.daemon.ask("/list-jobs.json?status=SUCCESSFUL&limit=100")["jobs"]
    assert listed == asked
    status = json.loads(command("status", "--json").out)
    assert set(status) == set(shop.daemon.ask("/status.json")) - {"status"}


def test_a_project_from_push_to_items(
    shop: Shop, command: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Two commands in the directory of a project send it and show its crawl to the end."""
    monkeypatch.chdir(shop.project / "good")
    pushed = command("push", "--version", "first.look")
    assert pushed.code == 0, pushed
    assert pushed.out.startswith("Pushed good first.look: chatty, closer")
    assert "  run    scrapy-do run chatty -p good -f\n" in pushed.err
    ended = command("run", "noop", "-f", "-a", "one=1", "--tag", "eu", "--description", "a look")
    assert ended.code == 0, ended
    assert " INFO [scrapy.core.engine] Spider closed (finished)\n" in ended.out
    assert " SUCCESSFUL (finished): 0 items, 0 errors" in ended.err.splitlines()[-1]
    job = json.loads(command("job", "noop@last", "--json").out)
    told = (job["arguments"], job["tags"], job["description"], job["version"])
    assert told == ({"one": "1"}, ["eu"], "a look", "first.look")
    target = tmp_path / "items.csv"
    assert command("items", "@last", "-o", str(target)).code == 0
    assert target.read_text() == "\n"


def test_hints_lead_on(command: Callable[..., Ended]) -> None:
    """What a version, a zone or a field has wrong is answered with a command about that."""
    for words, hint, code in (
        ("run noop -p good --version 99", "scrapy-do projects good", Exit.NOT_FOUND),
        ("rm good@99 --yes", "scrapy-do projects good", Exit.NOT_FOUND),
        ("rm good@99 --dry-run", "scrapy-do projects good", Exit.NOT_FOUND),
        (
            "schedule add noop -p good --tz Mars/X --when every_day",
            "scrapy-do schedule add --help",
            Exit.FAILED,
        ),
    ):
        ended = command(*(word.replace("_", " ") for word in words.split()))
        check_error(ended, code)
        assert ended.hint == hint


def test_statistics_have_dates(shop: Shop, command: Callable[..., Ended]) -> None:
    """The moments among the statistics are told as dates, in JSON they are the API's numbers."""
    told = dict(line.split("\t") for line in command("stats", shop.job, "--utc").out.splitlines())
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", told["finish_time"])
    stats = json.loads(command("stats", shop.job, "--json").out)["stats"]
    assert isinstance(stats["finish_time"], int | float)


@pytest.mark.parametrize(("name", "likely"), [("my/shop", "my-shop"), ("my shop", "my-shop")])
def test_a_push_by_a_bad_name(
    shop: Shop, command: Callable[..., Ended], name: str, likely: str
) -> None:
    """What cannot be a project's name is refused by the daemon, with a name that can be."""
    refused = command("push", str(shop.project), "-p", name)
    check_error(refused, Exit.FAILED)
    assert f"name: '{name}' is not a name" in refused.err
    assert refused.hint == f"scrapy-do push {shop.project} -p {likely}"


def test_exit_codes_tell_how_a_job_has_ended(shop: Shop, command: Callable[..., Ended]) -> None:
    """What is waited for ends the command as it has ended itself."""
    failed = command("run", "exits", "--wait", "-p", "good")
    check_error(failed_without_data(failed), Exit.FAILED)
    few = command("run", "noop", "--wait", "--min-items", "3", "-p", "good")
    check_error(failed_without_data(few), Exit.FAILED)
    assert "at least 3 were wanted" in few.err
    job = shop.sleeper()
    check_error(command("wait", job, "--timeout", "0.3s"), Exit.WAITED_TOO_LONG)
    assert command("cancel", job).code == Exit.DONE
    cancelled = command("wait", job, shop.job)
    check_error(failed_without_data(cancelled), Exit.CANCELED)
    assert [line.split("\t")[0] for line in cancelled.out.splitlines()] == [job, shop.job]


def failed_without_data(ended: Ended) -> Ended:
    """The same, but for what it has said of the job."""
    return Ended(code=ended.code, out="", err=ended.err)


def test_cancelling_by_filter(shop: Shop, command: Callable[..., Ended]) -> None:
    """All active jobs of a filter are cancelled, after a question that --yes answers."""
    jobs = {shop.sleeper(), shop.sleeper()}
    dry = command("cancel", "--spider", "sleeper", "--dry-run")
    assert {line.split("\t")[0] for line in dry.out.splitlines()} == jobs
    refused = command("cancel", "--spider", "sleeper")
    check_error(refused, Exit.USAGE)
    assert refused.hint == "scrapy-do cancel --spider sleeper --yes"
    assert command("cancel", "--spider", "sleeper", "--yes").code == 0
    for job in jobs:
        assert shop.daemon.finished(job)["status"] == "CANCELED"
    again = command("cancel", next(iter(jobs)))
    check_error(again, Exit.FAILED)
    assert "has ended already (CANCELED)" in again.err


def test_a_forced_cancel_waits_for_no_spider(shop: Shop, command: Callable[..., Ended]) -> None:
    """A crawl that does not care is ended within the time that the command waits."""
    job = shop.daemon.run("stubborn")
    shop.daemon.until_status(job, "RUNNING")
    ended = command("cancel", job, "--force", "--json")
    assert [one["status"] for one in json.loads(ended.out)] == ["CANCELED"], ended


VARYING = """
import scrapy
class Varying(scrapy.Spider):
    name = "varying"
    async def start(self):
        for number in range(self.settings.getint("WANTED")):
            yield {"number": number}
"""


def test_the_end_says_what_is_unusual(
    shop: Shop, command: Callable[..., Ended], tmp_path: Path
) -> None:
    """Whoever follows or waits for a job reads the hints of its page below how it has ended."""
    (tmp_path / "varying.py").write_text(VARYING)
    (tmp_path / "scrapy.cfg").write_text("[settings]\ndefault = none\n[deploy]\nproject = v\n")
    (tmp_path / "none.py").write_text('SPIDER_MODULES = ["varying"]\n')
    assert command("push", str(tmp_path)).code == Exit.DONE
    for _ in range(5):
        job = shop.daemon.run("varying", project="v", setting="WANTED=20")
        shop.daemon.finished(job)
    usual = command("run", "varying", "-p", "v", "-s", "WANTED=20", "-f")
    assert "hint:" not in usual.err
    for how in ("-f", "--wait"):
        ended = command("run", "varying", "-p", "v", "-s", "WANTED=2", how)
        assert ended.code == Exit.DONE, ended
        *_, told, hint = ended.err.splitlines()
        assert " SUCCESSFUL (finished): 2 items, 0 errors" in told
        assert hint.startswith("hint: Unusually low: items 2; the last ")


def _listed(ended: Ended) -> list[Any]:
    return [json.loads(line) for line in ended.out.splitlines()]


def test_logs_are_narrowed(shop: Shop, command: Callable[..., Ended]) -> None:
    """Level, logger, pattern with context and a number of lines choose among them."""
    everything = _listed(command("logs", shop.job, "--json"))
    assert {line["level"] for line in everything} >= {10, 20}
    assert {"time", "level", "logger", "message"} == set(everything[0])
    info = _listed(command("logs", shop.job, "--json", "--level", "info"))
    assert info == [line for line in everything if line["level"] >= 20]
    engine = _listed(command("logs", shop.job, "--json", "--logger", "scrapy.core"))
    assert engine == [line for line in everything if line["logger"].startswith("scrapy.core")]
    last = _listed(command("logs", shop.job, "--json", "-n", "2"))
    assert last == everything[-2:]
    around = _listed(command("logs", shop.job, "--json", "--grep", "^Spider opened", "-C", "1"))
    assert len(around) == 3
    assert around[1]["message"] == "Spider opened"
    followed = _listed(command("logs", shop.job, "--json", "-f", "-n", "2"))
    assert followed == everything[-2:]
    printed = command("logs", shop.job, "--raw", "-n", "1").out
    assert printed.endswith("INFO: Spider closed (finished)\n")


def test_little_is_imported(shop: Shop) -> None:
    """What asks a daemon whose output is piped loads neither the daemon's libraries nor tables."""
    slow = {"twisted", "scrapy", "sqlalchemy", "rich", "tabulate", "jinja2", "alembic"}
    code = (
        "import sys\nfrom scrapy_do.client.main import main\n"
        f"try: main(['status', '--url', {shop.daemon.url!r}])\nexcept SystemExit: pass\n"
        f"print(sorted({slow!r} & set(sys.modules)), file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stderr.splitlines()[-1] == "[]"


def test_versions_come_and_go(shop: Shop, command: Callable[..., Ended]) -> None:
    """A version is kept beside the current one, made current, and removed after a question."""
    beside = command("push", str(shop.project), "--version", "beside", "--no-activate")
    assert beside.out.startswith("Pushed good beside, beside the current version: ")
    assert "scrapy-do rollback good beside\n" in beside.err
    assert command("rollback", "good", "beside").code == Exit.DONE
    back = command("rollback", "good", "--json")
    assert json.loads(back.out)["version"] != "beside"
    wrong = command("rollback", "good", "nothing")
    check_error(wrong, Exit.NOT_FOUND)
    assert "known: beside, " in wrong.err
    check_error(command("rm", "good@beside"), Exit.USAGE)
    dry = command("rm", "good@beside", "--dry-run", "--json")
    assert json.loads(dry.out)["versions"] == ["beside"]
    assert command("rm", "good@beside", "--yes").code == Exit.DONE
    check_error(command("rm", "good@beside", "--yes"), Exit.NOT_FOUND)
    check_error(command("rm", "nothing", "--yes"), Exit.NOT_FOUND)


def test_orders_carry_what_was_said(command: Callable[..., Ended]) -> None:
    """Arguments, settings and the rest reach the job; JSON values become text."""
    given = ["-a", "x=1=2", "-s", "LOG_LEVEL=INFO", "--args-json", '{"n": [1, "ä"], "s": "t"}']
    more = ["--priority", "4", "--timeout", "1h30m", "--tag", "a", "--tag", "b"]
    job = json.loads(command("run", "noop", "-p", "good", *given, *more, "--json").out)
    assert job["arguments"] == {"n": '[1, "ä"]', "s": "t", "x": "1=2"}
    assert (job["settings"], job["priority"]) == ({"LOG_LEVEL": "INFO"}, 4)
    assert (job["timeout"], job["tags"]) == (5400, ["a", "b"])
    rules = ["--overlap", "queue-one", "--catchup", "all", "--jitter", "90s", "--max-runs", "3"]
    when = ["--when", "every monday at 12:30", "--tz", "Europe/Berlin", "--note", "why"]
    added = command("schedule", "add", "noop", "-p", "good", *when, *rules, "--json")
    found = json.loads(added.out)
    told = {name: found[name] for name in ("overlap", "catchup", "jitter", "max-runs", "note")}
    assert told == {
        "overlap": "queue-one",
        "catchup": "all",
        "jitter": 90.0,
        "max-runs": 3,
        "note": "why",
    }
    bad = command("schedule", "add", "noop", "-p", "good", "--when", "every mondy")
    check_error(bad, Exit.FAILED)
    check_error(command("run", "nop", "-p", "good"), Exit.NOT_FOUND)
    check_error(command("run", "noop", "-p", "nothing"), Exit.NOT_FOUND)
    check_error(command("run", "noop", "-p", "good", "-s", "=x"), Exit.USAGE)


def test_a_second_login_keeps_the_project(shop: Shop, command: Callable[..., Ended]) -> None:
    """Who logs in again at the same daemon need not say again what has not changed."""
    assert command("login", shop.daemon.url, "-p", "good").code == Exit.DONE
    assert command("login").code == Exit.DONE
    assert json.loads(command("profile", "show", "--json").out)["project"] == "good"


def test_doctor_knows_a_daemon_that_wants_credentials(
    command: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A port that a daemon of ours has is as it should be; one of a stranger is a problem."""
    options = {"SCRAPY_DO_WEB_AUTH": "on", "SCRAPY_DO_WEB_TOKEN": "a" * 32}
    with running(tmp_path, options=options) as daemon:
        monkeypatch.setenv("SCRAPY_DO_WEB_INTERFACES", daemon.url.removeprefix("http://"))
        ended = command("doctor", "--data-dir", str(daemon.data))
        assert (ended.code, ended.err) == (Exit.DONE, "")
        assert f"port\tok\ta daemon answers at {daemon.url}: " in ended.out
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{stranger.getsockname()[1]}"
        monkeypatch.setenv("SCRAPY_DO_WEB_INTERFACES", address)
        taken = command("doctor", "--data-dir", str(tmp_path / "data"))
        check_error(failed_without_data(taken), Exit.FAILED)
        assert taken.error == f"port: http://{address}: Address already in use"


def test_a_spider_names_its_project(shop: Shop, command: Callable[..., Ended]) -> None:
    """Among several projects the one with the spider is meant, if there is just one."""
    shop.removable()
    try:
        both = command("run", "noop")
        check_error(both, Exit.USAGE)
        assert both.error == '2 projects have a spider "noop"; say which is meant'
        none = command("run", "nop")
        check_error(none, Exit.NOT_FOUND)
        assert none.error == 'no project has a spider "nop"'
        check_error(command("spiders"), Exit.USAGE)
    finally:
        shop.daemon.ask("/remove-project.json", name="other")


def test_any_path_can_be_asked_for(command: Callable[..., Ended]) -> None:
    """What no address can hold is encoded; what is encoded already stays."""
    told = [command("api", "GET", path) for path in ("/no such ä", "/no%20such%20%C3%A4")]
    for ended in told:
        check_error(ended, Exit.NOT_FOUND)
    assert told[0].error == told[1].error


def test_addresses_name_jobs(shop: Shop, command: Callable[..., Ended]) -> None:
    """A job may be named by the address of its page or its log, of this daemon."""
    for path in (f"/ui/jobs/{shop.job}/items", f"/get-log/data/{shop.job}.err"):
        ended = command("job", f"{shop.daemon.url}{path}", "--json")
        assert json.loads(ended.out)["identifier"] == shop.job
    other = command("job", f"http://example.org/ui/jobs/{shop.job}")
    check_error(other, Exit.USAGE)
    assert other.hint == f"scrapy-do job {shop.job} --url http://example.org"


# --- watching ------------------------------------------------------------------------------------


class Watching:
    """A command of its own process, on a terminal or with pipes, that is watched while it runs."""

    def __init__(self, daemon: Running, *words: str, terminal: bool = False) -> None:
        self.heard = ""
        self._master, slave = pty.openpty()
        environ = {name: text for name, text in os.environ.items() if "SCRAPY_DO" not in name}
        environ |= {"SCRAPY_DO_URL": daemon.url, "HOME": str(daemon.data), "TERM": "xterm"}
        # What a shell starts in the background ignores Ctrl-C, and so does what that starts.
        self.process = subprocess.Popen(
            ["env", "--default-signal=INT", sys.executable, "-m", "scrapy_do", *words],
            stdin=slave if terminal else subprocess.DEVNULL,
            stdout=slave,
            stderr=slave,
            env=environ,
            start_new_session=True,
        )
        os.close(slave)

    def until(self, text: str) -> None:
        """Read until a text has come."""
        deadline = time.monotonic() + PATIENCE_S
        while text not in self.heard:
            left = deadline - time.monotonic()
            assert left > 0, f"{text!r} has not come: {self.heard[-2000:]}"
            if select.select([self._master], [], [], left)[0]:
                self.heard += os.read(self._master, 65536).decode()

    def interrupt(self) -> None:
        os.killpg(self.process.pid, signal.SIGINT)

    def ended(self) -> int:
        """Wait for the end; give the exit code."""
        with contextlib.suppress(OSError):
            while piece := os.read(self._master, 65536):
                self.heard += piece.decode()
        os.close(self._master)
        return self.process.wait(PATIENCE_S)


def test_ctrl_c_stops_watching_not_the_job(shop: Shop) -> None:
    """A crawl that is followed on a terminal goes on when its watcher leaves."""
    watching = Watching(shop.daemon, "run", "sleeper", "-p", "good", "-f", terminal=True)
    watching.until("Spider opened")
    watching.until("items 0")
    watching.interrupt()
    assert watching.ended() == Exit.INTERRUPTED, watching.heard
    assert "Stopped watching; good/sleeper/" in watching.heard
    (hint,) = re.findall(r"cancel  (scrapy-do cancel \S+)", watching.heard)
    job = hint.split()[-1]
    assert shop.daemon.ask(f"/job.json?id={job}")["job"]["status"] == "RUNNING"
    assert Watching(shop.daemon, *hint.split()[1:]).ended() == Exit.DONE
    assert shop.daemon.ask(f"/job.json?id={job}")["job"]["status"] == "CANCELED"


def test_a_job_that_never_started_has_no_items(shop: Shop, tmp_path: Path) -> None:
    """Whoever waits for its items hears how it ended, and nothing else."""
    sleepers = [shop.sleeper() for _ in range(3)]  # as many as there are slots
    for job in sleepers:
        shop.daemon.until_status(job, "RUNNING")
    file = str(tmp_path / "items.jsonl")
    words = ("run", "noop", "-p", "good", "--wait", "--items", file, "--tag", "late")
    watching = Watching(shop.daemon, *words)
    watching.until("Queued noop")
    late = Watching(shop.daemon, "cancel", "--tag", "late", "--yes")
    assert late.ended() == Exit.DONE, late.heard
    assert watching.ended() == Exit.CANCELED, watching.heard
    assert not Path(file).exists()
    for job in sleepers:
        shop.daemon.ask("/cancel-job.json", id=job)
        shop.daemon.finished(job)


def test_what_goes_on_is_told(shop: Shop) -> None:
    """`--watch` tells each change of jobs and of the daemon, in lines of JSON."""
    jobs = Watching(shop.daemon, "jobs", "--watch", "--json", "--spider", "sleeper")
    status = Watching(shop.daemon, "status", "--watch", "--json")
    status.until('"jobs-running": 0')
    job = shop.sleeper()
    jobs.until(job)
    status.until('"jobs-running": 1')
    shop.daemon.ask("/cancel-job.json", id=job)
    status.until('"jobs-canceled"')
    jobs.until('"status": "CANCELED"')
    for watching in (jobs, status):
        watching.interrupt()
        assert watching.ended() == Exit.INTERRUPTED
        *lines, _ = watching.heard.replace("^C", "").splitlines()
        assert all(json.loads(line) for line in lines)


@pytest.mark.timeout(200)
def test_a_new_daemon_is_listened_to(tmp_path: Path) -> None:
    """Who follows a log or waits for a job hears of its end from the daemon after the next."""
    with running(tmp_path) as daemon:
        port = daemon.url.rsplit(":", 1)[1]
    with running(tmp_path, listen=f"127.0.0.1:{port}") as daemon:
        daemon.push("good", tmp_path)
        job = daemon.run("sleeper")
        daemon.until_status(job, "RUNNING")
        following = Watching(daemon, "logs", "-f", job)
        waiting = Watching(daemon, "wait", job, "--verbose")
        following.until("Spider opened")
        waiting.until("/events?level=100: 200")
        daemon.kill()
        daemon.start()
        daemon.ask("/cancel-job.json", id=job)
        assert following.ended() == Exit.DONE, following.heard
        assert waiting.ended() == Exit.CANCELED, waiting.heard
        assert following.heard.count("Spider opened") == 1
        assert "Spider closed (" in following.heard
