"""Listing the spiders of projects that do not want to be listed; spawned and forked."""

import contextlib
import os
import signal
import time
from pathlib import Path

import psutil
import pytest
from twisted.internet.defer import Deferred

from scrapy_do.errors import BadArchive, LaunchFailed
from scrapy_do.launchers.interface import SpiderList
from scrapy_do.protocol.wire import LISTING_OUTPUT, StartMethod
from tests.launchers.harness import RealHarness, begun, on_reactor

pytestmark = pytest.mark.live

UNABLE = "Unable to get the list of spiders: "


async def refusal(real: RealHarness, project: str, timeout_s: float = 30) -> BadArchive:
    with pytest.raises(BadArchive) as caught:
        await real.launcher.spiders(real.spiders_request(project, timeout_s=timeout_s))
    return caught.value


@on_reactor
async def test_a_hanging_import_is_ended(real: RealHarness) -> None:
    """An import that does not end is refused when its time is over."""
    began_s = time.monotonic()
    error = await refusal(real, "hanging", timeout_s=1)

    assert str(error) == UNABLE + "the project did not finish within 1 s"
    assert time.monotonic() - began_s < 10


@on_reactor
async def test_output_is_heard_while_it_comes(real: RealHarness) -> None:
    """What a project prints can be read before anybody knows how it ends."""
    request = real.spiders_request("hanging")
    heard = request.work_dir / LISTING_OUTPUT
    answer = Deferred.fromCoroutine(real.launcher.spiders(request))
    await real.until(lambda: heard.exists() and heard.read_text() == "waiting for ever\n")

    real.launcher.end_listings()
    with pytest.raises((BadArchive, LaunchFailed)):
        await answer


@on_reactor
async def test_a_flood_of_output_is_cut(real: RealHarness) -> None:
    """Of endless output the last part is kept, where the traceback is."""
    error = await refusal(real, "flooding")

    assert str(error) == UNABLE + "ValueError: enough"
    assert error.traceback is not None
    assert len(error.traceback) <= 1024 * 1024
    assert error.traceback.endswith("ValueError: enough\n")


@on_reactor
async def test_an_import_that_ends_the_process(real: RealHarness) -> None:
    """A project that ends the process without a word is refused."""
    error = await refusal(real, "leaving")

    assert str(error) == UNABLE + "the project ended its process with status 0"


@on_reactor
async def test_an_import_that_kills_its_guard(real: RealHarness) -> None:
    """A project that kills the process that watches it is refused, and dies with it."""
    error = await refusal(real, "killing")

    assert str(error) == UNABLE + "the project ended the process that lists them"


async def kill(real: RealHarness, name: str) -> None:
    """Kill a process that lists spiders now, by its name."""
    await real.until(lambda: name in dict(_processes()).values())
    for pid, comm in _processes():
        if comm == name:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@on_reactor
async def test_a_guard_that_is_killed(real: RealHarness) -> None:
    """When the guard of a hanging import is killed, all it has started is ended at once."""
    refused = Deferred.fromCoroutine(refusal(real, "hanging"))
    await kill(real, "scrapy-do-list")

    assert str(await refused) == UNABLE + "the project ended the process that lists them"
    await real.until(lambda: {"scrapy-do-list", "scrapy-do-keep"}.isdisjoint(_running()))


@on_reactor
async def test_a_keeper_that_is_killed(real: RealHarness) -> None:
    """It is asked once more; when that dies, too, the archive is not to blame."""
    request = real.spiders_request("hanging")
    answer = Deferred.fromCoroutine(real.launcher.spiders(request))
    first = await _keeper(real, None)
    os.kill(first, signal.SIGKILL)
    os.kill(await _keeper(real, first), signal.SIGKILL)

    with pytest.raises(LaunchFailed, match="was killed"):
        await answer
    await real.until(lambda: {"scrapy-do-list", "scrapy-do-keep"}.isdisjoint(_running()))


@on_reactor
async def test_a_keeper_that_is_killed_once(real: RealHarness) -> None:
    """The second answer counts."""
    answer = Deferred.fromCoroutine(real.launcher.spiders(real.spiders_request("forking")))
    os.kill(await _keeper(real, None), signal.SIGKILL)

    assert await answer == SpiderList(names=("fine",))


@on_reactor
async def test_a_warm_parent_that_is_killed(tmp_path: Path) -> None:
    """An order that nobody has taken yet is given once more, to the next warm parent."""
    async with begun(StartMethod.FORK, tmp_path) as real:
        before = _warm_parents()
        answer = Deferred.fromCoroutine(real.launcher.spiders(real.spiders_request("good")))
        for pid in _warm_parents() - before:
            os.kill(pid, signal.SIGKILL)

        assert "noop" in (await answer).names


def _warm_parents() -> set[int]:
    found = set()
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):  # a zombie is one, too
            if "scrapy_do.crawl.warm_parent" in child.cmdline():
                found.add(child.pid)
    return found


async def _keeper(real: RealHarness, other: int | None) -> int:
    """Wait for the keeper of a listing, another than the one that was killed."""
    found: list[int] = []

    def look() -> bool:
        found[:] = [pid for pid, name in _processes() if name == "scrapy-do-keep" and pid != other]
        # A guard bears its keeper's name until it has its own.
        return bool(found) and "scrapy-do-list" in _children(found[0])

    await real.until(look)
    return found[0]


def _children(pid: int) -> list[str]:
    try:
        return [child.name() for child in psutil.Process(pid).children()]
    except psutil.NoSuchProcess:
        return []


@on_reactor
async def test_a_broken_import_is_quoted(real: RealHarness) -> None:
    """The error is the last line of the traceback, and all of it comes along."""
    error = await refusal(real, "broken")

    assert str(error) == UNABLE + "ModuleNotFoundError: No module named 'no_such_module_anywhere'"
    assert error.traceback is not None
    assert error.traceback.startswith("on the way\n")


@on_reactor
async def test_children_of_an_import_are_ended(real: RealHarness) -> None:
    """Processes that an import leaves behind are gone when the answer comes."""
    answer = await real.launcher.spiders(real.spiders_request("forking"))

    assert answer == SpiderList(names=("fine",))
    await real.until(lambda: "scrapy-do-list" not in _running())


def _running() -> list[str]:
    """Return the names of our processes that have not ended, and of those that have no parent."""
    ours = dict(_processes())
    return [
        process.info["name"]
        for process in psutil.process_iter(["name", "ppid", "status"])
        if process.info["status"] != psutil.STATUS_ZOMBIE
        and (process.pid in ours or process.info["ppid"] == 1)
    ]


def _processes() -> list[tuple[int, str]]:
    """Our descendants that have not ended, and their names."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if child.status() != psutil.STATUS_ZOMBIE:
                found.append((child.pid, child.name()))
    return found


@on_reactor
async def test_names_that_only_scrapy_knows(real: RealHarness) -> None:
    """Names of any characters are listed as they are; what cannot be run is told, with a reason."""
    answer = await real.launcher.spiders(real.spiders_request("names"))

    assert answer.names == ("-option", "../../x", "a/b", "ok", "ok.2-x_y", "two\nlines", "ünicode")
    long = "x" * 99
    nul = "its name has a NUL character, which no command line can hold"
    assert answer.warnings == (
        rf"Spider 'n\x00l' cannot be run: {nul}",
        f"Spider '{long}... cannot be run: its name is longer than 1000 bytes",
    )


@on_reactor
async def test_no_interpreter_is_no_archive_error(real: RealHarness) -> None:
    """When no process can be made, the archive is not to blame."""
    with pytest.raises(LaunchFailed):
        await real.launcher.spiders(real.spiders_request("good", python="/nonexistent/python"))
