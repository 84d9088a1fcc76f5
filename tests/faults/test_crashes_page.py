"""The page about crashes tells of tests that exist, and of every option by its name."""

import ast
import re
from pathlib import Path

import pytest

from scrapy_do.config.sections import SECTIONS, option_name

TOP = Path(__file__).parent.parent.parent
PAGE = (TOP / "docs" / "crashes.md").read_text()
ROWS = [
    line
    for section in PAGE.split("\n## ")
    if "| Test |" in section
    for line in section.splitlines()
    if line.startswith("|") and not line.startswith(("|---", "| Event"))
]


def _tests(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:40])
def test_each_row_is_tied_to_its_test(row: str) -> None:
    """The last column of each row names one test that is there."""
    named = re.fullmatch(r"`(tests/\S+\.py)::(test_\w+)`", row.split("|")[-2].strip())

    assert named is not None
    assert named[2] in _tests(TOP / named[1])


def test_every_fault_is_in_a_row() -> None:
    """No test module of faults is left out of the page."""
    modules = {path.name for path in Path(__file__).parent.glob("test_*.py")}
    about_tests = {"test_history.py", "test_crashes_page.py"}

    assert {name for name in modules - about_tests if name not in PAGE} == set()


def test_options_are_named_as_they_are() -> None:
    """Each word with a dash in code letters that is no path is an option of the configuration."""
    words = set(re.findall(r"`([a-z]+-[a-z-]+)`", PAGE))
    options = {
        option_name(field)
        for section in SECTIONS.values()
        for field in section.__dataclass_fields__.values()
    }

    assert words - options == set()


def test_the_table_of_faults_is_whole() -> None:
    """Each of the thirty faults has a row, and each row names tests or measures that there are."""
    rows = re.findall(r"^\| F(\d+) \| ([^|]+) \| ([^|]+) \|$", PAGE, re.MULTILINE)
    assert [int(number) for number, _, _ in rows] == list(range(1, 31))
    for _, _, means in rows:
        named = re.findall(r"`(tests/\S+\.py)::(test_\w+)`", means)
        assert named
        assert [name for path, name in named if name not in _tests(TOP / path)] == []
        measures = re.findall(r"`python -m bench --only (\w+)`", means)
        known = (TOP / "docs" / "benchmarks.md").read_text()
        assert [name for name in measures if f"`{name}`" not in known] == []


def test_what_is_skipped_is_told() -> None:
    """Each place where a test of faults may be skipped is in the page, with its number."""
    rows = re.findall(r"^\| [^|]+ \| `(tests/\S+)` \| (\d+) \|$", PAGE, re.MULTILINE)
    found = {}
    others = (TOP / "tests/launchers/test_faults.py", TOP / "tests/system/test_clock.py")
    for path in (*TOP.glob("tests/faults/*.py"), *others):
        skips = re.findall(r"pytest\.(?:mark\.skip|skip|importorskip)\w*\(", path.read_text())
        if skips:
            found[str(path.relative_to(TOP))] = len(skips)
    assert found == {path: int(number) for path, number in rows}
    assert sum(found.values()) == 11
