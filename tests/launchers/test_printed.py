"""What a crawl prints, and what it says last, is in its captured log: once, and in order."""

from collections.abc import Mapping
from typing import Any

import pytest

from scrapy_do.protocol.wire import CrawlSpec
from tests.launchers.harness import RealHarness, on_reactor, records

pytestmark = pytest.mark.live

INFO, ERROR = 20, 40


def said(spec: CrawlSpec) -> list[tuple[int, str]]:
    """Return level and message of the captured lines, but for what Scrapy says."""
    lines: list[Mapping[str, Any]] = records(spec.placement.log)
    return [
        (line["level"], line["message"])
        for line in lines
        if not line["message"].startswith(("[scrapy.", "[asyncio]", "[py.warnings]"))
    ]


@pytest.mark.parametrize(
    ("project", "spider", "words"),
    [
        ("odd", "constructed", "ValueError: no spider today"),
        ("broken", "absent", "No module named 'no_such_module_anywhere'"),
        ("odd", "nosuch", "Spider not found: nosuch"),
    ],
)
@on_reactor
async def test_a_crawl_that_cannot_begin(
    real: RealHarness, project: str, spider: str, words: str
) -> None:
    """The traceback on stderr is an error of the log, and one only."""
    spec = real.spec(spider, project=project)
    ending = await real.run(spec)

    (last,) = [line for line in said(spec) if line[0] == ERROR]
    assert last[1].endswith(words)
    assert "Traceback" in last[1] or spider == "nosuch"
    assert (ending.status, ending.progress.errors) == (1, 1)


@on_reactor
async def test_printed_text(real: RealHarness) -> None:
    """Prints are lines of INFO, text on stderr is errors, whoever wrote them, among the log."""
    spec = real.spec("printing", project="odd")
    ending = await real.run(spec)

    lines = said(spec)
    *first, before, traceback, four, end = lines
    assert first == [
        (INFO, "print one"),
        (INFO, "[printing] log one"),
        (INFO, "print two"),
        (INFO, "  print three"),
        (INFO, r"print ž \xed\xb2\x80"),
        (INFO, "descriptor"),
        (INFO, "a child"),
        (INFO, "print four"),
        (ERROR, "its error"),
        (INFO, "[printing] log two"),
        (ERROR, "half a line"),
    ]
    assert before == (INFO, "[printing] log three")
    assert traceback[0] == ERROR
    assert traceback[1].startswith("Traceback")
    assert traceback[1].endswith("ValueError: printed")
    assert (four, end) == ((ERROR, "[printing] log four"), (INFO, "the end"))
    assert ending.progress.errors == 4
    assert ending.printed_errors == 3
    assert ending.progress.log_lines == len(records(spec.placement.log))


@on_reactor
async def test_handlers_of_a_project(real: RealHarness) -> None:
    """What they write is the log, wherever they write it and in whatever thread."""
    spec = real.spec("logging", project="odd")
    ending = await real.run(spec)

    assert ending.progress.errors == 0
    logged = [message for _, message in said(spec) if message.startswith("[own]")]
    printed = [message for _, message in said(spec) if message.startswith("print")]
    assert logged == [f"[own] line {number}" for number in range(50)]
    assert printed == [f"print {number}" for number in range(50)]
    assert len(said(spec)) == 100


@pytest.mark.parametrize("way", ["kill", "leave", "exit", "crash"])
@on_reactor
async def test_last_words(real: RealHarness, way: str) -> None:
    """A crawl that dies of a sudden loses nothing that it has logged or printed."""
    spec = real.spec("dying", project="odd", arguments={"way": way})
    await real.run(spec)

    lines = said(spec)
    log = records(spec.placement.log)
    assert "Scrapy" in log[0]["message"]
    assert [line["message"] for line in log].count(log[0]["message"]) == 1
    assert (INFO, "[dying] a last line") in lines
    assert (INFO, "last output") in lines
    words = [message for level, message in lines if level == ERROR]
    assert words[0].startswith("last words")
    if way == "crash":
        assert "Fatal Python error: Segmentation fault" in words[-1]


@on_reactor
async def test_children(real: RealHarness) -> None:
    """What a forked child logs is printed: it is there once, and its parent goes on."""
    spec = real.spec("parental", project="odd")
    ending = await real.run(spec)

    before, child, after = said(spec)
    assert (before[1], after[1]) == ("[parental] before", "[parental] after")
    assert child[0] == ERROR
    assert child[1].endswith("of a child")
    assert ending.progress.errors == 1


@on_reactor
async def test_late_words(real: RealHarness) -> None:
    """What a thread says after the crawl is over is kept and counted."""
    spec = real.spec("late", project="odd")
    ending = await real.run(spec)

    assert sorted(said(spec)) == [(INFO, "a late print"), (ERROR, "[late] a late line")]
    assert (ending.progress.errors, ending.progress.log_lines) == (
        1,
        len(records(spec.placement.log)),
    )
