"""What a project's spiders are, and the warnings about them."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import scrapy
from scrapy.settings import Settings

from scrapy_do.crawl.spiders import Spiders, find_spiders

HEAD = "import enum, scrapy\nfrom scrapy import Spider\n"
OLD = f"Scrapy {scrapy.__version__} never calls start_requests()"
PACKAGE = "surveyed"

Found = Callable[..., Spiders]

needs_new_scrapy = pytest.mark.skipif(
    hasattr(scrapy.Spider, "start_requests"),
    reason="this version of Scrapy still calls start_requests",
)


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Found]:
    """Find the spiders in modules of these texts, under these settings."""
    monkeypatch.syspath_prepend(tmp_path)

    def find(modules: dict[str, str], **settings: object) -> Spiders:
        package = tmp_path / PACKAGE
        package.mkdir()
        (package / "__init__.py").touch()
        for name, text in modules.items():
            (package / f"{name}.py").write_text(HEAD + text)
        return find_spiders(Settings({"SPIDER_MODULES": [PACKAGE], **settings}))

    yield find
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


def spider(name: str, body: str = "", class_name: str = "One") -> str:
    return f"class {class_name}(Spider):\n    name = {name}\n{body}"


@pytest.mark.parametrize(
    "name",
    [
        "my spider",
        "爬虫",
        "a/b",
        "../../x",
        "-option",
        "two\nlines",
        " ",
        "a?b=c&d#e",
        "%2e%2e",
        "\x1b[2J",
        "🕷" * 250,
        "'; DROP TABLE jobs; --",
    ],
)
def test_names_that_scrapy_runs(found: Found, name: str) -> None:
    """Whatever text names a spider that Scrapy runs is listed as it is, without a warning."""
    assert Spiders(names=(name,), warnings=()) == found({"one": spider(repr(name))})


@pytest.mark.parametrize(
    ("name", "shown", "reason"),
    [
        ("5", "5", "its name is no text but of type int"),
        ("b'x'", "b'x'", "its name is no text but of type bytes"),
        (r"'a\0b'", r"'a\x00b'", "its name has a NUL character, which no command line can hold"),
        (
            r"'a\ud800'",
            r"'a\ud800'",
            "its name has half a character (a surrogate), which is no text of Unicode",
        ),
        ("'x' * 1001", f"'{'x' * 99}...", "its name is longer than 1000 bytes"),
    ],
)
def test_names_that_nothing_can_run(found: Found, name: str, shown: str, reason: str) -> None:
    """A name that nobody can give is left out, with its reason; the others are listed."""
    spiders = found({"one": spider(name), "two": spider("'fine'")})

    assert ("fine",) == spiders.names
    assert (f"Spider {shown} cannot be run: {reason}",) == spiders.warnings


def test_a_name_of_an_enumeration(found: Found) -> None:
    """A member of an enumeration of texts is listed by its value, by which Scrapy finds it."""
    names = "class Names(str, enum.Enum):\n    BOOKS = 'books'\n"

    assert Spiders(names=("books",), warnings=()) == found({"one": names + spider("Names.BOOKS")})


def test_no_spiders(found: Found) -> None:
    """A project without spiders says where they were looked for."""
    warning = "The project has no spiders: SPIDER_MODULES names surveyed"

    assert Spiders(names=(), warnings=(warning,)) == found({})


def test_no_spider_modules(found: Found) -> None:
    """So does one that looks nowhere."""
    warning = "The project has no spiders: SPIDER_MODULES names nothing"

    assert (warning,) == found({}, SPIDER_MODULES=[]).warnings


@pytest.mark.filterwarnings("ignore:There are several spiders")
def test_twins(found: Found) -> None:
    """Two spiders of one name are named with their classes, and which of them is run."""
    spiders = found({"one": spider("'x'"), "two": spider("'x'")})

    assert ("x",) == spiders.names
    assert (
        "2 spiders are named 'x': surveyed.one.One, surveyed.two.One; surveyed.two.One is run",
    ) == spiders.warnings


def test_an_imported_spider_is_no_twin(found: Found) -> None:
    """A spider that other modules import, or that two entries cover, is there once."""
    modules = {"one": spider("'x'"), "two": "from surveyed.one import One\n"}
    settings = {"SPIDER_MODULES": [PACKAGE, f"{PACKAGE}.one"]}
    with pytest.warns(UserWarning, match="several spiders"):
        assert () == found(modules, **settings).warnings


BROKEN = {
    "no module": (
        "import no_such_module\n",
        "ModuleNotFoundError: No module named 'no_such_module' (surveyed/broken.py, line 3)",
    ),
    "no name": (
        "from scrapy import NoSuchThing\n",
        "ImportError: cannot import name 'NoSuchThing'",
    ),
    "syntax": ("def (:\n", "SyntaxError: invalid syntax (broken.py, line 3)"),
}


@pytest.mark.parametrize("what", list(BROKEN))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_broken_file_that_is_passed_over(found: Found, what: str) -> None:
    """What `SPIDER_LOADER_WARN_ONLY` passes over is told, with its error and its place."""
    text, words = BROKEN[what]
    spiders = found({"a": spider("'x'"), "broken": text}, SPIDER_LOADER_WARN_ONLY=True)

    assert ("x",) == spiders.names
    (warning,) = spiders.warnings
    assert warning.startswith(f"Spiders of surveyed are missing: {words}")


METHOD = "    def start_requests(self):\n        yield scrapy.Request('data:,')\n"
START = "    async def start(self):\n        yield scrapy.Request('data:,')\n"


@needs_new_scrapy
@pytest.mark.parametrize(
    ("body", "left"),
    [
        (METHOD, "nothing is requested"),
        (METHOD + "    start_urls = []\n", "nothing is requested"),
        (METHOD + "    start_urls = ['data:,']\n", "only start_urls are requested"),
    ],
)
def test_a_method_that_is_never_called(found: Found, body: str, left: str) -> None:
    """`start_requests()` without `start()` is told, and what is requested instead."""
    spiders = found({"one": spider("'x'", body)})

    assert (
        f"Spider 'x' defines start_requests() but not start(): {OLD}, {left}",
    ) == spiders.warnings


@needs_new_scrapy
def test_a_method_of_many_spiders(found: Found) -> None:
    """Spiders that inherit it are named together."""
    base = f"class Base(Spider):\n{METHOD}"
    others = "".join(f"class S{n}(Base):\n    name = 's{n:02}'\n" for n in range(12))
    named = ", ".join(f"'s{n:02}'" for n in range(10))

    (warning,) = found({"one": base + others}).warnings

    assert warning.startswith(f"Spider {named} and 2 more defines start_requests()")


@pytest.mark.parametrize("body", ["", START, METHOD + START, "    start_urls = ['data:,']\n"])
def test_spiders_without_fault(found: Found, body: str) -> None:
    """A spider with `start()`, with or without `start_requests()`, needs no warning."""
    assert Spiders(names=("x",), warnings=()) == found({"one": spider("'x'", body)})


LOADER = """
from scrapy.spiderloader import SpiderLoader

class Forgetful(SpiderLoader):
    def list(self):
        return [*super().list(), "lost"]
"""


def test_a_loader_that_has_lost_a_spider(found: Found) -> None:
    """A name that the project's own loader lists but cannot load is told, with the error."""
    modules = {"one": spider("'x'"), "loading": LOADER}
    spiders = found(modules, SPIDER_LOADER_CLASS=f"{PACKAGE}.loading.Forgetful")

    assert ("x",) == spiders.names
    assert ("Spider 'lost' cannot be run: KeyError: 'Spider not found: lost'",) == spiders.warnings
