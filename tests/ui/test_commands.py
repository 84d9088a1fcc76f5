"""The commands that pages give are understood by the command itself."""

import re
from html import unescape
from pathlib import Path

import pytest

from scrapy_do.ui.addresses import scrapy_do, scrapy_do_order
from tests.client.commanding import check_hint
from tests.ui.browsing import Pages
from tests.world import World

HERE = "http://localhost:7654"


def _commands(page: str) -> list[str]:
    """The lines of a page that run our command."""
    code = unescape("\n".join(re.findall(r"<code>(.*?)</code>", page, re.DOTALL)))
    return [line for line in code.splitlines() if line.startswith("scrapy-do ")]


@pytest.mark.parametrize(
    ("path", "first"),
    [
        ("/ui/", "scrapy-do push"),
        ("/ui/projects", "scrapy-do projects"),
        ("/ui/projects/quotesbot", "scrapy-do spiders quotesbot"),
        (
            "/ui/projects/quotesbot/spiders/toscrape-css",
            "scrapy-do run -p quotesbot -f toscrape-css",
        ),
        (
            "/ui/run?project=quotesbot&spider=toscrape-css&arg=tag=x y",
            "scrapy-do run -p quotesbot -a 'tag=x y' toscrape-css",
        ),
        ("/ui/push", "scrapy-do push"),
        ("/ui/schedules", "scrapy-do schedule list"),
        (
            "/ui/schedules/new?project=quotesbot&spider=toscrape-css&when=every+hour",
            "scrapy-do schedule add --when 'every hour' -p quotesbot --tz UTC toscrape-css",
        ),
        ("/ui/jobs/JOB", "scrapy-do logs -f JOB"),
        ("/ui/jobs/JOB/items", "scrapy-do items JOB"),
        ("/ui/jobs/JOB/stats", "scrapy-do stats JOB --compare"),
        ("/ui/compare?jobs=JOB,JOB", "scrapy-do stats JOB --compare JOB"),
        ("/ui/system", "scrapy-do db backup /some/where/scrapy-do.db"),
    ],
)
def test_pages_give_commands(tmp_path: Path, path: str, first: str) -> None:
    """Each page says how the same is done by the command, and the command parses."""
    world = World(tmp_path).start()
    job = ""
    if path != "/ui/":
        world.put_project()
        job = str(world.enqueue())
    page = Pages(world).get(path.replace("JOB", job).replace(" ", "%20"))
    commands = _commands(page)
    assert commands
    assert first.replace("JOB", job) == commands[0]
    for command in commands:
        check_hint(command)


def test_names_are_no_options() -> None:
    """A name that begins like an option is none; another address is said."""
    assert scrapy_do(HERE, "run", "-f", names=["-x y"]) == "scrapy-do run -f -- '-x y'"
    command = scrapy_do_order("https://a:1", [("spider", "-x"), ("when", "now"), ("arg", "-a=-b")])
    assert command == "scrapy-do --url https://a:1 run -a -a=-b -- -x"
    check_hint(command)
    assert scrapy_do_order(HERE, [("spider", "x"), ("payload", "{}")]) == ""
