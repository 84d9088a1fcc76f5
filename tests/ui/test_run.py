"""The form that runs a spider, without a browser."""

import json
import re
import subprocess
from html import unescape
from pathlib import Path
from uuid import UUID

import pytest

from tests.ui.browsing import Pages
from tests.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path).start()
    world.put_project()
    return world


def test_a_form_makes_a_job(world: World) -> None:
    """Rows of names and values become arguments and settings; the job's page is next."""
    form = {
        "project": "quotesbot",
        "spider": "toscrape-css",
        "arg-name": ["category", "", "page"],
        "arg-value": ["books", "", "2"],
        "setting-name": ["LOG_LEVEL"],
        "setting-value": ["INFO"],
        "priority": "4",
        "tag": "eu, new",
        "timeout": "60",
    }

    answer = Pages(world).post("/ui/run", form=form)

    assert answer.status == 303
    job = world.job(UUID(answer.headers["location"].removeprefix("/ui/jobs/")))
    assert job.request.arguments == {"category": "books", "page": "2"}
    assert job.request.settings == {"LOG_LEVEL": "INFO"}
    assert (job.request.priority, job.request.tags, job.request.timeout_s) == (4, ("eu", "new"), 60)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"timeout": "soon"}, "timeout: must be a number"),
        ({"priority": "9"}, "priority: must be a whole number"),
        ({"tag": "a/b"}, "tag: 'a/b' is not a name"),
        ({"arg-name": "", "arg-value": "lost"}, "arg: the value 'lost' has no name"),
        ({"arg-name": "crawler", "arg-value": "x"}, "cannot be the name of a spider argument"),
        ({"version": "77"}, "Unknown version 77"),
    ],
)
def test_a_wrong_form_comes_back_with_what_was_typed(
    world: World, fields: dict[str, str], says: str
) -> None:
    """Nothing is lost: the reason stands above the same values."""
    form = {"project": "quotesbot", "spider": "toscrape-css", "description": "mine", **fields}

    answer = Pages(world).post("/ui/run", form=form)

    assert answer.status == 400
    assert says in unescape(answer.text)
    assert 'value="mine"' in answer.text


def test_more_rows_start_nothing(world: World) -> None:
    """The button for more rows gives the form back with what was typed and spare rows."""
    form = {
        "project": "quotesbot",
        "spider": "toscrape-css",
        "arg-name": ["a", "b"],
        "arg-value": ["1", "2"],
        "more": "arg",
    }

    answer = Pages(world).post("/ui/run", form=form)

    assert answer.status == 200
    assert answer.text.count('name="arg-name"') == 4
    assert not world.launcher.alive


def test_names_and_values_of_earlier_runs_are_offered(world: World) -> None:
    """What the arguments of the spider were before can be chosen; a new name is remarked on."""
    world.enqueue(arguments={"category": "books"})

    page = Pages(world).get("/ui/run?project=quotesbot&spider=toscrape-css&arg=categori=x")

    assert '<option value="category">' in page
    assert '<option value="books">' in page
    assert "No earlier run had <code>categori</code>" in page


def test_a_job_can_fill_in_the_form(world: World) -> None:
    """`from` names a job whose order stands in the form."""
    feeds = {"out.json": {"format": "json"}}
    job_id = world.enqueue(arguments={"category": "books"}, settings={"FEEDS": feeds}, tags=("eu",))

    page = Pages(world).get(f"/ui/run?from={job_id}")

    assert 'name="arg-name" value="category"' in page
    value = re.findall(r'name="setting-value" value="([^"]*)"', page)[0]
    assert json.loads(unescape(value)) == feeds
    assert 'name="tag" value="eu"' in page


def test_the_command_says_the_same_to_a_shell(world: World) -> None:
    """What a shell makes of the command are the fields of the API, whatever is in them."""
    value = 'it\'s "$HOME" & more'
    form = {
        "project": "quotesbot",
        "spider": "toscrape-css",
        "arg-name": "q",
        "arg-value": value,
        "more": "arg",
    }

    page = unescape(Pages(world).post("/ui/run", form=form).text)

    command = page.split("<pre><code>")[1].split("</code>")[0].strip()
    words = subprocess.run(
        ["/bin/sh", "-c", f'curl() {{ for word in "$@"; do echo "$word"; done; }}; {command}'],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert f"arg=q={value}" in words
    assert words[-1] == "http://localhost:7654/schedule-job.json"


def test_a_form_without_a_project_asks_for_one(world: World) -> None:
    """The bare address offers the projects where there are several, and takes the only one."""
    page = Pages(world).get("/ui/run")
    assert '<input type="hidden" name="project" value="quotesbot">' in page
    assert '<option value="toscrape-css">' in page

    world.put_project("books")
    assert "<option>quotesbot</option>" in Pages(world).get("/ui/run")


def test_without_a_project_there_is_nothing_to_choose(tmp_path: Path) -> None:
    """A new server says what to do first, and shows no empty form."""
    page = Pages(World(tmp_path).start()).get("/ui/run")

    assert "Nothing was pushed yet." in page
    assert 'name="project"' not in page
