"""The page about schedules is executed: each order, each refusal, each command, each table."""

import json
import re
import shlex
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo

import pytest

from scrapy_do.api.scrapy_do.routes import ScrapyDoAPI
from scrapy_do.core.grammar import parse_when
from scrapy_do.core.job import Finished, Stopping
from scrapy_do.core.schedule import CatchUp, Overlap, ScheduleState
from scrapy_do.core.when import Now, normal, upcoming
from scrapy_do.errors import BadWhen
from tests.engine.scheduling import SchedulingWorld
from tests.factories import START
from tests.http_client import HttpClient

TOP = Path(__file__).parent.parent
PAGE = (TOP / "docs" / "schedules.md").read_text()


def table(heading: str) -> list[list[str]]:
    """Return the rows of the table below a line, cell by cell, without back-ticks."""
    below = PAGE.split(heading, 1)[1].split("|---", 1)[1].split("\n", 1)[1]
    lines = below.split("\n\n", 1)[0].splitlines()
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]


# --- orders ------------------------------------------------------------------------------------


def orders() -> Iterator[tuple[str, str, str, str, str]]:
    """Yield when and where each order of the page is given, and what it says of it."""
    given = r"Given .*?at `([^`]+)` in `([^`]+)`"
    for heading in re.finditer(given, PAGE):
        for spec, form, instants in table(heading.group(0)):
            yield heading[1], heading[2], spec, form, instants


@pytest.mark.parametrize(("given", "zone_name", "spec", "form", "instants"), list(orders()))
def test_order(given: str, zone_name: str, spec: str, form: str, instants: str) -> None:
    """An order has the normal form and the instants that the page says."""
    zone = ZoneInfo(zone_name)
    anchor = datetime.fromisoformat(given).replace(tzinfo=zone).astimezone(START.tzinfo)
    when = parse_when(spec, now=anchor, zone=zone)
    assert form == normal(when)
    assert not isinstance(when, Now)
    assert when == parse_when(form, now=anchor, zone=zone)
    listed = instants.split(", ")
    found = upcoming(when, zone=zone, anchor=anchor, after=anchor, most=len(listed))
    with_offset = "+" in instants
    assert listed == [shown(one.astimezone(zone), with_offset=with_offset) for one in found]


def shown(instant: datetime, *, with_offset: bool) -> str:
    """Write an instant as the page does."""
    text = instant.replace(tzinfo=None).isoformat(" ", "seconds" if instant.second else "minutes")
    return f"{text} {instant.isoformat()[-6:]}" if with_offset else text


@pytest.mark.parametrize(("spec", "answer"), table("of what can:"))
def test_refusal(spec: str, answer: str) -> None:
    """What the page calls refused is refused in those words."""
    with pytest.raises(BadWhen) as refused:
        parse_when(spec, now=START, zone=ZoneInfo("UTC"))
    assert answer == str(refused.value)


# --- policies ----------------------------------------------------------------------------------


@pytest.fixture
def world(tmp_path: Path) -> SchedulingWorld:
    return SchedulingWorld(tmp_path, zone="Europe/Berlin").go()


@pytest.mark.parametrize(
    ("catchup", "window", "jobs", "missed"), table("Ten hours and two minutes of downtime")
)
def test_downtime(
    world: SchedulingWorld, catchup: str, window: str, jobs: str, missed: str
) -> None:
    """Downtime has the outcome that the page says."""
    schedule = world.order(
        "every 10 minutes",
        catchup=CatchUp(catchup),
        catchup_window_s=float(window) if window else None,
    )
    world.crash()
    world.wait(hours=10, minutes=2)
    world.go()
    assert (int(jobs), int(missed)) == (
        len(world.planned(schedule)),
        world.schedule(schedule).counts.missed,
    )


@pytest.mark.parametrize(
    ("overlap", "jobs", "skipped", "cancelled"), table("four instants, the first job running")
)
def test_overlap(
    world: SchedulingWorld, overlap: str, jobs: str, skipped: str, cancelled: str
) -> None:
    """A slow job has the effect that the page says."""
    schedule = world.order("every 10 minutes", overlap=Overlap(overlap))
    world.wait(minutes=10)
    world.run_job(world.jobs_of(schedule)[0])
    world.wait(minutes=30)
    ended = [job for job in world.jobs_of(schedule) if isinstance(job.state, Finished | Stopping)]
    assert (int(jobs), int(skipped), int(cancelled)) == (
        len(world.planned(schedule)),
        world.schedule(schedule).counts.skipped,
        len(ended),
    )


# --- commands ----------------------------------------------------------------------------------


class Shell:
    """Runs the page's lines: curl against a daemon in memory, then jq."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        self._identifier = ""

    def run(self, line: str) -> str:
        assigned = re.fullmatch(r"ID=\$\((.*)\)", line)
        if assigned:
            self._identifier = self.run(assigned[1])
            return ""
        command, filtering = line.replace("$ID", self._identifier).split(" | jq")
        answer = self._curl(shlex.split(command)[1:])
        name = filtering.removeprefix(" -r .")
        return str(answer[name]) if name else json.dumps(answer, indent=2)

    def _curl(self, words: list[str]) -> Any:
        (url,) = [word for word in words if word.startswith("http://localhost:7654/")]
        path = urlsplit(url).path
        options = {"-d", "-F", "--data-urlencode"}
        values = [value for word, value in pairwise(words) if word in options]
        fields = dict(value.split("=", 1) for value in values)
        if "-G" in words:
            query = "&".join(f"{name}={quote(value)}" for name, value in fields.items())
            return self._client.get(f"{path}?{query}").json
        return self._client.post(path, form=fields).json


def blocks() -> list[str]:
    return re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("block", blocks())
def test_commands(world: SchedulingWorld, block: str) -> None:
    """A command prints what the page shows; three dots stand for anything."""
    shell = Shell(world.client())
    for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        line, _, expected = step.partition("\n")
        words = ".*".join(re.escape(part) for part in expected.strip("\n").split("..."))
        printed = shell.run(line)
        assert re.fullmatch(words, printed), printed


# --- reference ---------------------------------------------------------------------------------


def test_every_route_is_listed(world: SchedulingWorld) -> None:
    """The reference has all calls of schedules."""
    dialect = ScrapyDoAPI(world.operations, archive_bytes=1, tail=None)  # type: ignore[arg-type]  # nothing is sent
    routes = {(route.method, route.pattern) for route in dialect.router.routes()}
    listed = {(method, path) for method, path, _ in table("## Reference")}
    assert listed <= routes
    assert {route for route in routes if "schedule" in route[1]} <= listed


def test_every_state_is_listed() -> None:
    """The reference has all states."""
    assert sorted(ScheduleState) == sorted(row[0] for row in table("| State | Meaning |"))


# --- promises ----------------------------------------------------------------------------------


def checks() -> list[str]:
    return re.findall(r"`(\S+::\S+)`", PAGE.split("## How each promise is checked")[1])


@pytest.mark.parametrize("check", checks())
def test_every_promise_is_checked(check: str) -> None:
    """What is named as checking a promise is there."""
    where, name = check.split("::")
    path = Path("bench", where.split(".")[1]).with_suffix(".py")
    if where.endswith(".py"):
        path = Path("tests", where)
    code = (TOP / path).read_text()
    assert re.search(rf"^ *(async )?def {name}\(|^{name} = ", code, re.MULTILINE)


def test_every_promise_has_a_check() -> None:
    """No row is without one."""
    rows = table("| Promise | Checked by |")
    assert len(rows) > 20
    assert [] == [promise for promise, checked in rows if "::" not in checked]
