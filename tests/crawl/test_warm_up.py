"""What a warm parent does beforehand changes nothing that a crawl can see."""

import copy
from typing import Any

import pytest
from scrapy.settings import BaseSettings, Settings, SettingsAttribute

from scrapy_do.crawl import warm_up


class _Marked(SettingsAttribute):
    """A setting with something of its own."""

    def __init__(self, value: Any, priority: int) -> None:
        super().__init__(value, priority)
        self.mark = [value]


@pytest.fixture
def quick_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SettingsAttribute, "__deepcopy__", warm_up._copy_of_setting, raising=False)


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
