"""What is written for people is complete and true: commands, exit codes, links, service unit."""

import ast
import configparser
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from scrapy_do import errors
from scrapy_do.client.commands.server import serve
from scrapy_do.client.errors import MEANINGS, Exit
from scrapy_do.web import status
from tests.client.commanding import check_hint
from tools import man_pages, reference_docs
from tools.command_docs import docs_text

TOP = Path(__file__).parent.parent
README = (TOP / "README.md").read_text()
COMMAND_LINE = (TOP / "docs" / "command-line.md").read_text()
UNIT = TOP / "scrapy_do" / "client" / "scrapy-do.service"
PAGES = sorted(TOP.glob("docs/**/*.md"))
MARKDOWN = [*sorted(TOP.glob("*.md")), *PAGES]
_LINK = re.compile(r"\]\(([^)\s#]*)(?:#([^)\s]+))?\)")


def test_the_readme_is_short() -> None:
    """Who reads it sees the whole of it."""
    assert len(README.splitlines()) <= 120


def test_a_fresh_machine_needs_two_commands() -> None:
    """The README's only shell block holds the two commands."""
    (block,) = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    assert re.findall(r"^make \w+", block, re.MULTILINE) == ["make demo", "make test"]


@pytest.mark.parametrize(
    "path",
    [
        *("status.json", "push-project.json", "list-projects.json", "list-spiders.json"),
        *("schedule-job.json", "list-jobs.json", "cancel-job.json", "remove-project.json"),
        *("get-log/data/$ID.out", "get-log/data/$ID.err", "get-items/data/$ID.jsonl"),
    ],
)
def test_the_readme_calls_every_end_point(path: str) -> None:
    """Each documented call stands in a block, and blocks are run."""
    blocks = re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    assert f"http://localhost:7654/{path}" in "".join(blocks)


def prose(path: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)


def anchors(path: Path) -> set[str]:
    """The names of a page's headings, as links call them."""
    titles = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda path: str(path.relative_to(TOP)))
def test_links_lead_somewhere(path: Path) -> None:
    """Each link to a file of ours names one that is there, and a heading in it."""
    ours = [link for link in _LINK.findall(prose(path)) if "://" not in link[0]]
    places = [(path.parent / name if name else path, anchor) for name, anchor in ours]
    assert [place for place, _ in places if not place.exists()] == []
    assert [
        (place, anchor) for place, anchor in places if anchor and anchor not in anchors(place)
    ] == []


def test_every_page_stands_in_the_contents() -> None:
    """Each page is in one list of the index, once, and each name there is a page."""
    index = TOP / "docs" / "index.md"
    lists = re.findall(r"```{toctree}\n(.*?)```", index.read_text(), re.DOTALL)
    named = [line for one in lists for line in one.splitlines() if line and line[0] != ":"]
    pages = [str(page.relative_to(index.parent).with_suffix("")) for page in PAGES]
    assert sorted(named) == [page for page in pages if page != "index"]


@pytest.mark.parametrize("page", reference_docs.PAGES)
def test_reference_is_made_from_the_code(page: str) -> None:
    """Routes, outcomes and the old client stand there in the code's own words."""
    made = reference_docs.PAGES[page]()
    assert made == (TOP / "docs" / page).read_text(), "run make pages"


def test_every_error_of_the_api_has_its_line() -> None:
    """The name of each error that a call may be answered with stands on the API's page."""
    page = (TOP / "docs" / "api.md").read_text()
    kinds = {name for module in (errors, status) for name in vars(module)}
    named = {
        re.sub("(?<!^)(?=[A-Z])", "-", name).lower()
        for name in kinds - _FAMILIES - _OF_THE_START
        if isinstance(kind := getattr(errors, name, None) or getattr(status, name, None), type)
        and issubclass(kind, errors.ScrapyDoError)
    }
    assert len(named) > 30
    assert {name for name in named if f"`{name}`" not in page} == set()


_FAMILIES = {"ScrapyDoError", "NotFound", "Invalid", "Conflict", "Denied", "Unavailable"}
_OF_THE_START = {
    *("AccountNotFound", "NameTaken"),
    *("ConfigError", "DataDirectoryInUse", "DatabaseInUse", "NewerSchema", "WrongDatabase"),
}


def test_every_module_with_routes_is_in_the_reference() -> None:
    """Each table of routes of a dialect is part of the page of routes."""
    api = TOP / "scrapy_do" / "api"
    with_routes = {
        str(path.relative_to(api))
        for path in api.glob("**/*.py")
        if "| method | path " in path.read_text()
    }
    assert with_routes == {name for names in reference_docs.APIS.values() for name in names}


@pytest.mark.parametrize("name", man_pages.PAGES)
def test_man_pages_are_made_from_the_pages(name: str) -> None:
    """Each says what the page of its subject says."""
    made = man_pages.PAGES[name].text(name)
    assert made == (man_pages.MAN / name).read_text(), "run make pages"


@pytest.mark.live
@pytest.mark.parametrize("name", man_pages.PAGES)
def test_man_shows_the_page_without_a_warning(name: str) -> None:
    """The program that shows man pages has nothing to complain about."""
    if shutil.which("groff") is None:
        pytest.skip("groff is not installed")
    words = ["groff", "-mandoc", "-Tutf8", "-ww", "-rHY=0", "-z", str(man_pages.MAN / name)]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.live
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    """Sphinx finds nothing to complain about."""
    words = ["-q", "-W", "--keep-going", "-d", str(tmp_path / "doctrees"), "docs"]
    made = subprocess.run(
        [sys.executable, "-m", "sphinx", *words, str(tmp_path / "site")],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (made.returncode, made.stderr) == (0, "")
    assert len([*(tmp_path / "site").glob("**/*.html")]) > len(PAGES)


def _defined() -> set[str]:
    """The functions of our modules and the methods of our classes, as `module.name`."""
    names = set()
    for path in TOP.glob("scrapy_do/**/*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                inside = (one for one in node.body if isinstance(one, _FUNCTIONS))
                names |= {f"{node.name}.{one.name}" for one in inside} | {node.name}
            elif isinstance(node, _FUNCTIONS):
                names |= {f"{path.stem}.{node.name}", node.name}
    return names


_FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef


def test_the_walks_are_ways_through_our_code() -> None:
    """Each stop names files, functions and values that there are, and the ways are short."""
    text = (TOP / "docs" / "architecture.md").read_text()
    walks = text.split("\n## Three walks\n")[1].split("\n### ")[0].split("\n**")[1:]
    assert [8, 6, 6] == [len(re.findall(r"^\d\.", walk, re.MULTILINE)) for walk in walks]
    quoted = set(re.findall(r"`([^`\s]+)`", "".join(walks)))
    files = {name for name in quoted if name.endswith(".py")}
    assert [name for name in files if not (TOP / "scrapy_do" / name).is_file()] == []
    code = {name for name in quoted - files if re.fullmatch(r"\w+\.\w+|[A-Z]\w+", name)}
    assert code - _defined() == set()
    assert len(code) > 20


def test_examples_are_our_code() -> None:
    """What is shown as the way we write is in the file it is said to be in."""
    text = (TOP / "CONTRIBUTING.md").read_text()
    examples = re.findall(r"^`(\S+)`:\n\n```python\n(.*?)```$", text, re.DOTALL | re.MULTILINE)

    assert len(examples) == text.count("```python") > 0
    assert [name for name, code in examples if code not in (TOP / name).read_text()] == []


def test_the_page_of_the_command_line_is_made_from_the_commands() -> None:
    """Every command, option and exit code stands there, with its own words."""
    assert docs_text() == COMMAND_LINE, "run make pages"
    assert list(MEANINGS) == list(Exit)


def _shell_lines(text: str) -> Iterator[str]:
    """Yield our commands in the blocks of a page, without what a shell makes of their output."""
    for block in re.findall(r"```(?:sh|console)\n(.*?)```", text, re.DOTALL):
        for line in block.splitlines():
            command = re.split(r" +(?:[|#<>&]|\d>)", line.removeprefix("$ "))[0].strip()
            if command.startswith("scrapy-do "):
                yield command


def test_commands_in_documents_are_understood() -> None:
    """Whatever a page tells people to type is a command with options that there are."""
    lines = [line for path in MARKDOWN for line in _shell_lines(path.read_text())]
    assert len(lines) > 10
    for line in lines:
        check_hint(line)


def _unit() -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # its documented use
    parser.read(UNIT)
    return parser


def test_the_unit_starts_what_there_is() -> None:
    """The words of ExecStart are understood by the command, and the state is where it writes."""
    service = _unit()["Service"]
    program, command, *words = service["ExecStart"].split()
    assert (program.rsplit("/", 1)[1], command) == ("scrapy-do", "serve")
    context = serve.make_context(command, words)
    assert context.params["data_dir"] == f"/var/lib/{service['StateDirectory']}"
    assert context.params["config_path"] == Path("/etc/scrapy-do.conf")


def test_the_unit_leaves_crawls_alone() -> None:
    """The service manager signals the daemon only, and waits longer than a crawl may take."""
    service = _unit()["Service"]
    assert (service["Type"], service["KillMode"], service["OOMPolicy"]) == (
        "notify",
        "process",
        "continue",
    )
    assert int(service["TimeoutStopSec"]) > 30


def test_every_directive_stands_once() -> None:
    """No directive of the unit silently replaces another; SystemCallFilter is made to add up."""
    names = re.findall(r"^(\w+)=", UNIT.read_text(), re.MULTILINE)
    repeated = [one for one, other in pairwise(sorted(names)) if one == other]
    assert repeated == ["SystemCallFilter"]


@pytest.mark.live
def test_the_unit_is_confined() -> None:
    """The service manager's own judgement of the unit's exposure is 1.5 or less."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    words = ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=15"]
    ended = subprocess.run([*words, UNIT], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
