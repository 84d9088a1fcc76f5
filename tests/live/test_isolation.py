"""What the code of a project is kept from, and what it can do all the same."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scrapy_do.protocol import landlock
from tests.live.running import Running, running
from tests.live.test_bad_projects import archive

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(
        landlock.version() < landlock.WITH_SCOPES,
        reason="this kernel has no Landlock that would do",
    ),
]

CAPABILITIES = "-dac_override,-dac_read_search,-fowner,-sys_ptrace,-kill,-sys_admin"
PLAIN = ("setpriv", f"--bounding-set={CAPABILITIES}") if os.geteuid() == 0 else ()
"""Makes root somebody for whom the modes of files count."""


NOBODY = 65534
OTHER = (
    *("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"),
    # The interpreter and the tests may lie where only root looks.
    *("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"),
)


@pytest.fixture(scope="module", params=["fork", "spawn", "plain"])
def daemon(tmp_path_factory: pytest.TempPathFactory, request: Any) -> Iterator[Running]:
    root = tmp_path_factory.mktemp("isolated")
    with _running(root, request.param) as daemon:
        yield daemon


def _running(root: Path, how: str, **more: str) -> Any:
    for name in ("writable", "turned"):
        (root / name).mkdir()
    (root / "readable").write_text("x")
    (root / "keys").touch(mode=0o600)
    if how == "nobody":
        for name in ("writable", "keys"):
            os.chown(root / name, NOBODY, NOBODY)
    options = {
        "SCRAPY_DO_CRAWLS_LAUNCHER": "spawn" if how == "spawn" else "fork",
        "SCRAPY_DO_CRAWLS_WRITABLE": f"{root / 'writable'}, {root / 'turned'}",
        "SCRAPY_DO_WEB_API_KEYS": str(root / "keys"),
        "DAEMONS_SECRET": "x",
        **more,
    }
    return running(root, options=options, wrapper={"plain": PLAIN, "nobody": OTHER}.get(how, ()))


def _probed(daemon: Running, root: Path) -> dict[str, str]:
    """Run the spider that tries all; return what each attempt met, "" where it succeeded."""
    # Whoever may write above a directory can turn it into a link.
    (root / "turned").rmdir()
    (root / "turned").symlink_to(daemon.data)
    daemon.push("good", root)
    daemon.push("prying", root)
    other = daemon.run("noop")
    daemon.finished(other)
    (err,) = (daemon.data / "jobs").rglob(f"*{other}*/err")
    told = {
        "data": daemon.data,
        "daemon": daemon.pid,
        "other": err.parent,
        "secret": root / "keys",
        "outside": root / "outside",
        "readable": root / "readable",
        "writable": root / "writable",
    }
    job = daemon.run("prying", project="prying", arg=[f"{k}={v}" for k, v in told.items()])
    assert daemon.finished(job)["status"] == "SUCCESSFUL"
    lines = daemon.curl(f"/get-items/data/{job}.jsonl").splitlines()
    return {one["probe"]: one["problem"] for one in map(json.loads, lines)}


def test_a_crawl_harms_itself_only(daemon: Running) -> None:
    """It gets at nothing that is not its own, and at all that spiders need."""
    found = _probed(daemon, daemon.data.parent)
    succeeded = {probe for probe, problem in found.items() if not problem}

    assert succeeded == ALLOWED, {name: found[name] for name in ALLOWED - succeeded}
    assert len(found) - len(ALLOWED) >= 25, found
    assert not (daemon.data.parent / "outside").exists()


ALLOWED = {
    *("write into the current directory", "write beside the module", "write at home"),
    *("temporary file", "data between runs", "move from home to data", "read what lies outside"),
    *("write where it may", "read what belongs to the system", "look up a name", "a child"),
    *("signal a child", "a lock between processes", "a process", "a thread"),
    *("forget what is written", "chance", "an own device", "import what was not imported"),
    "its own name to the system",
}


def test_without_isolation(tmp_path: Path) -> None:
    """Where it is off, a crawl can do what the user of the daemon can: the probes are good."""
    with _running(tmp_path, "fork", SCRAPY_DO_CRAWLS_ISOLATION="off") as daemon:
        found = _probed(daemon, tmp_path)

    for probe in ("read database", "read log of another job", "write outside", "signal the daemon"):
        assert found[probe] == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_the_daemon_keeps_to_itself(tmp_path: Path) -> None:
    """Also without isolation no crawl, of the same user as the daemon, looks into its memory."""
    os.chown(tmp_path, NOBODY, NOBODY)
    with _running(tmp_path, "nobody", SCRAPY_DO_CRAWLS_ISOLATION="off") as daemon:
        found = _probed(daemon, tmp_path)

    assert found["read log of another job"] == ""
    assert "not handed on" in found["what the daemon was started with"]
    for probe in ("memory of the daemon", "environment of the daemon", "debug the daemon"):
        assert "Permission" in found[probe] or "not permitted" in found[probe]


def test_a_push_harms_itself_only(daemon: Running, tmp_path: Path) -> None:
    """The process that lists the spiders of a pushed project is kept as a crawl is."""
    database = daemon.data / "scrapy-do.db"
    answer = daemon.ask(
        "/push-project.json", archive=f"@{archive(tmp_path, f'open({str(database)!r})')}"
    )

    assert "Permission denied" in answer["msg"]


def test_isolation_that_is_required_and_not_there(tmp_path: Path) -> None:
    """Whoever requires it gets it, or no start."""
    fault = "inject=landlock_create_ruleset:error=ENOSYS"
    denied = ("strace", "-f", "-qq", "-o", "/dev/null", "-e", fault)
    options = {"SCRAPY_DO_CRAWLS_ISOLATION": "required"}
    daemon = Running(tmp_path, options=options, wrapper=denied)
    daemon.begin()

    assert daemon.wait() == 1
    assert "[crawls] isolation: this kernel has no Landlock" in daemon.log.read_text()
