"""What a warm parent does beforehand changes nothing that a crawl can see."""

import copy
import logging
import sys
from pathlib import Path
from typing import Any, cast

import pytest
from scrapy.settings import SETTINGS_PRIORITIES, BaseSettings, Settings, SettingsAttribute

from scrapy_do.crawl import project, warm_up


class _Marked(SettingsAttribute):
    """A setting with something of its own."""

    def __init__(self, value: Any, priority: int) -> None:
        super().__init__(value, priority)
        self.mark = [value]


@pytest.fixture
def quick_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SettingsAttribute, "__deepcopy__", warm_up._copy_of_setting, raising=False)
    monkeypatch.setattr(BaseSettings, "__deepcopy__", warm_up._copy_of_settings, raising=False)


def _plain(settings: BaseSettings) -> dict[str, tuple[Any, int]]:
    return {
        name: (
            _plain(one.value) if isinstance(one.value, BaseSettings) else one.value,
            one.priority,
        )
        for name, one in settings.attributes.items()
    }


@pytest.mark.usefixtures("quick_copies")
def test_a_copy_of_settings_is_the_same() -> None:
    """A copy has the same values with the same priorities, and is frozen if asked for."""
    settings = Settings({"PIPELINES": {"a.B": 300}, "DELAY": 1.5, "NAMES": ["x"]}, "cmdline")

    copied, frozen = settings.copy(), settings.frozencopy()

    assert _plain(copied) == _plain(frozen) == _plain(settings)
    assert (copied.frozen, frozen.frozen) == (False, True)


@pytest.mark.usefixtures("quick_copies")
def test_a_copy_of_settings_is_on_its_own() -> None:
    """What is changed in a copy, however deep, is not changed in what was copied."""
    settings = Settings({"NAMES": ["x"], "NESTED": {"deep": ["y"]}})
    before = _plain(settings.copy())

    copied = settings.copy()
    copied.set("NAMES", ["z"])
    copied.getlist("NAMES").append("w")
    copied["NESTED"]["deep"].append("w")
    copied["DOWNLOAD_HANDLERS_BASE"]["gopher"] = "some.Handler"

    assert _plain(settings) == before


class _Noted(Settings):
    """Settings with something of their own."""

    def __init__(self) -> None:
        super().__init__({"SAME": 1})
        self.set(cast("str", _Marked), 100)  # as for components, named by their class
        self.notes = ["x"]
        self.attributes["TWIN"] = self.attributes["SAME"]


@pytest.mark.usefixtures("quick_copies")
def test_settings_of_another_class_keep_what_they_have() -> None:
    """A copy is of the same class, with the same names and notes; twins stay twins."""
    settings = _Noted()

    copied = settings.copy()

    assert type(copied) is _Noted
    assert list(copied.attributes) == list(settings.attributes)
    assert (copied.notes, copied.notes is settings.notes) == (["x"], False)
    assert copied.attributes["TWIN"] is copied.attributes["SAME"]
    assert copied.attributes["TWIN"] is not settings.attributes["TWIN"]


@pytest.mark.usefixtures("quick_copies")
def test_settings_read_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project gets the same settings, its own, whether Scrapy's were read ahead or not."""
    (tmp_path / "quick.py").write_text("BOT_NAME = 'quick'\nITEM_PIPELINES = {'a.B': 1}\n")
    monkeypatch.setattr(project, "_read", [])
    monkeypatch.setattr(sys, "path", [*sys.path])

    fresh = project.load_settings(tmp_path, "quick")
    project.read_ahead()
    first, second = (project.load_settings(tmp_path, "quick") for _ in range(2))
    first["DOWNLOAD_HANDLERS_BASE"]["gopher"] = "some.Handler"

    assert _plain(second) == _plain(fresh)
    assert first.getpriority("BOT_NAME") == SETTINGS_PRIORITIES["project"]


def test_a_level_is_set_where_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loggers hear of each change of a level, also back to none."""
    monkeypatch.setattr(logging.Logger, "setLevel", logging.Logger.setLevel)
    warm_up._leave_levels_alone()
    one = logging.getLogger("tests.crawl.levels")
    parent = logging.getLogger("tests.crawl")

    heard = []
    for level in (logging.NOTSET, logging.ERROR, "NOTSET", logging.DEBUG, logging.NOTSET):
        one.setLevel(level)
        heard.append((one.level, one.isEnabledFor(logging.INFO)))
    parent.setLevel(logging.ERROR)
    muted = one.isEnabledFor(logging.INFO)
    parent.setLevel(logging.NOTSET)

    usual = logging.root.isEnabledFor(logging.INFO)
    assert heard == [(0, usual), (40, False), (0, usual), (10, True), (0, usual)]
    assert (muted, one.isEnabledFor(logging.INFO)) == (False, usual)


@pytest.mark.usefixtures("quick_copies")
def test_a_setting_of_another_class_keeps_what_it_has() -> None:
    """A copy is of the same class with the same attributes; what was shared stays shared."""
    shared = ["x"]
    one, two = copy.deepcopy([_Marked("v", 20), SettingsAttribute(shared, 0)])
    again = copy.deepcopy([SettingsAttribute(shared, 0), SettingsAttribute(shared, 0)])

    assert isinstance(one, _Marked)
    assert (one.value, one.priority, one.mark) == ("v", 20, ["v"])
    assert (two.value, two.priority) == (["x"], 0)
    assert again[0].value is again[1].value
    assert again[0].value is not shared
