"""Each line that is logged is heard, whatever is done to logging."""

import json
import logging
import logging.config
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from scrapy.settings import BaseSettings

from scrapy_do.crawl.capture import Capture
from scrapy_do.crawl.logs import LogRecords, LogTap, PrintedText, level_of
from scrapy_do.crawl.stats import Tally
from scrapy_do.crawl.streams import CappedFile, Streams
from scrapy_do.crawl.unwritten import Unwritten
from tests.launchers.harness import make_spec

SHOP = logging.getLogger("shop")
PRICES = logging.getLogger("shop.prices")


class Heard(LogRecords):
    """Records in memory."""

    def __init__(self) -> None:
        super().__init__(Tally(), None, None)
        self.lines: list[tuple[int, str]] = []
        self.memory = 0

    def add(self, time_ms: int, level: int, message: str, *, is_printed: bool = False) -> None:
        assert time_ms > 0
        assert not is_printed
        self.lines.append((level, message))

    def out_of_memory(self) -> None:
        self.memory += 1


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[Heard]:
    """What is heard; logging is as before afterwards."""
    manager, root = logging.root.manager, logging.root
    handlers, level, disabled = root.handlers[:], root.level, manager.disable
    known = Heard()
    spec = make_spec(tmp_path, "noop")
    streams = Streams(out=CappedFile(1, None), err=CappedFile(2, None))
    printed = PrintedText(spec, streams, known, Unwritten())
    tap = LogTap(known, printed, known.out_of_memory)
    tap.install()
    yield known
    tap.remove()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.disable(disabled)
    for one in manager.loggerDict.values():  # some were disabled
        if isinstance(one, logging.Logger):
            one.disabled = False
    for one in (SHOP, PRICES):
        one.propagate = True
        one.filters.clear()
        one.handlers.clear()
        one.setLevel(logging.NOTSET)


def test_messages(heard: Heard) -> None:
    """Each line has its logger's name and traceback; formats and texts may be broken."""

    class Textless:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    logging.root.handlers.clear()  # the test runner's refuses bad formats
    PRICES.info("hello %s", "world")
    PRICES.error("bad %d", "format")
    PRICES.error("%s", Textless())
    PRICES.error("half \udc80")
    PRICES.critical("it", exc_info=ValueError("gone wrong"))

    assert [(level, message.splitlines()[0]) for level, message in heard.lines] == [
        (20, "[shop.prices] hello world"),
        (40, "[shop.prices] bad %d ('format',)"),
        (40, "[shop.prices] %s ('<Textless without a text: RuntimeError>',)"),
        (40, r"[shop.prices] half \udc80"),
        (50, "[shop.prices] it"),
    ]
    assert heard.lines[4][1].endswith("ValueError: gone wrong")


DISTURBANCES: dict[str, Callable[[], object]] = {
    "basicConfig": lambda: logging.basicConfig(force=True, handlers=[logging.NullHandler()]),
    "no handlers": logging.root.handlers.clear,
    "root level": lambda: logging.root.setLevel(logging.CRITICAL),
    "disable": lambda: logging.disable(logging.CRITICAL),
    "dictConfig": lambda: logging.config.dictConfig({"version": 1}),
    "no propagation": lambda: setattr(SHOP, "propagate", False),
    "a broken handler": lambda: SHOP.addHandler(Broken()),
}


class Broken(logging.Handler):
    def emit(self, _record: logging.LogRecord) -> None:
        raise OSError("no space")


@pytest.mark.parametrize("name", DISTURBANCES)
def test_disturbances(heard: Heard, name: str) -> None:
    """From INFO on all lines are heard, whatever was done to logging as a whole."""
    DISTURBANCES[name]()
    for level in (logging.DEBUG, logging.INFO, logging.ERROR):
        try:
            PRICES.log(level, "said")
        except OSError:
            assert name == "a broken handler"

    assert [level for level, _ in heard.lines] == [20, 40]


@pytest.mark.parametrize(
    "disturb",
    [
        lambda: PRICES.setLevel(logging.CRITICAL),
        lambda: SHOP.setLevel(logging.CRITICAL),
        lambda: PRICES.addFilter(lambda _: False),
    ],
)
def test_what_is_said_of_a_logger_by_name(heard: Heard, disturb: Callable[[], object]) -> None:
    """A level or a filter of a named logger holds for its lines below ERROR, never for others."""
    disturb()
    PRICES.warning("quiet")
    PRICES.error("loud")

    assert heard.lines == [(40, "[shop.prices] loud")]


def test_handlers_get_what_they_would_have_got(heard: Heard) -> None:
    """To be heard is one thing: what a project keeps from its handlers is kept from them."""
    got: list[str] = []
    keeping = logging.Handler()
    keeping.emit = lambda record: got.append(record.getMessage())  # type: ignore[method-assign]
    SHOP.addHandler(keeping)
    SHOP.setLevel(logging.INFO)
    PRICES.debug("no")
    PRICES.info("one")
    logging.disable(logging.CRITICAL)
    PRICES.error("none")
    logging.disable(logging.NOTSET)
    PRICES.disabled = True
    PRICES.error("none")

    assert got == ["one"]
    assert len(heard.lines) == 3


def test_a_filter_may_change_a_line(heard: Heard) -> None:
    """What a filter makes of a line is what is kept: it may have hidden a password."""

    def hide(record: logging.LogRecord) -> bool:
        record.msg = record.msg.replace("secret", "***")
        return True

    PRICES.addFilter(hide)
    PRICES.error("it is secret")

    assert heard.lines == [(40, "[shop.prices] it is ***")]


def test_a_memory_error_is_heard(heard: Heard) -> None:
    """A line that reports a MemoryError is passed on; other errors are not."""
    for error in (ValueError(), MemoryError()):
        PRICES.error("failed", exc_info=error)

    assert heard.memory == 1


@pytest.mark.parametrize(
    ("ordered", "project", "level"),
    [
        (None, "DEBUG", 10),
        (None, "INFO", 20),
        (None, "CRITICAL", 20),
        (None, 5, 5),
        ("ERROR", "DEBUG", 40),
        ("debug", "ERROR", 10),
        ("30", "DEBUG", 30),
        ("nonsense", "ERROR", 10),
    ],
)
def test_the_level(ordered: object, project: object, level: int) -> None:
    """Who orders a crawl chooses; a project may have more than INFO kept, not less."""
    assert level == level_of(ordered, BaseSettings({"LOG_LEVEL": project}))


def test_lines_are_counted(tmp_path: Path) -> None:
    """Each line is counted, errors apart; at the limit one record says that it is the last."""
    path = tmp_path / "log"
    tally = Tally()
    capture = Capture(path)
    records = LogRecords(tally, capture, 60)
    for number in range(9):
        records.add(number, 20 if number else 40, f"line {number}")
    capture.close()

    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["time"], line["level"], line["message"]) for line in lines] == [
        (0, 40, "line 0"),
        (1, 20, "line 1"),
        (1, 30, "... the log is cut here at 60 bytes ..."),
    ]
    assert (tally.log_lines, tally.errors, records.dropped) == (9, 1, 7)
