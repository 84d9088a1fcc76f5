"""Collections and frontiers of the store, on a database in memory and on a file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from scrapy_do.core.collection import CollectionKind, CollectionName, KeyRange, following
from scrapy_do.core.frontier import FrontierBatch, NewRequest, SlotName, batches_of, number_of
from scrapy_do.core.project import ArchiveRef, NewVersion
from scrapy_do.errors import Invalid
from scrapy_do.store import collections as module
from scrapy_do.store import frontier as frontier_module
from scrapy_do.store.store import Store, open_store
from tests.factories import START, at
from tests.store.inline import run_inline

PAGES = CollectionName(project=1, kind=CollectionKind.STORE, name="pages")
SLOT = SlotName(project=1, frontier="test", slot="a")


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    store = open_store("sqlite://" if request.param == "memory" else tmp_path / "store")
    new = NewVersion(
        project="quotesbot",
        label=None,
        archive=ArchiveRef(digest="0a" * 32, size_bytes=1),
        root="",
        settings_module="quotesbot.settings",
        spiders=("a",),
        pushed_at=START,
        pushed_by="ann",
    )
    run_inline(store.projects.put_version(new))
    yield store
    store.close()


def put(store: Store, *keys: str, name: CollectionName = PAGES, text: str = "{}") -> None:
    run_inline(store.collections.put(name, [(key, text) for key in keys], now=START))


def keys(store: Store, name: CollectionName = PAGES, **wanted: Any) -> list[str]:
    page = run_inline(store.collections.page(name, KeyRange(**wanted), now=START))
    return [value.key for value in page.values]


def request(fingerprint: str, priority: int = 0) -> NewRequest:
    return NewRequest(fingerprint=fingerprint, priority=priority, text=f'["{fingerprint}",null]')


def test_pages_are_bounded(store: Store) -> None:
    """A page ends at a number of values, or of bytes, and says that there may be more."""
    put(store, *(f"{number:04}" for number in range(module.PAGE_VALUES + 1)))
    put(store, *"abc", text='"' + "x" * module.PAGE_BYTES + '"')

    first = run_inline(store.collections.page(PAGES, KeyRange(), now=START))
    large = run_inline(store.collections.page(PAGES, KeyRange(first="a"), now=START))
    last = run_inline(store.collections.page(PAGES, KeyRange(after="b"), now=START))

    assert (module.PAGE_VALUES, True) == (len(first.values), first.has_more)
    assert (["a"], True) == ([value.key for value in large.values], large.has_more)
    assert (["c"], True) == ([value.key for value in last.values], last.has_more)
    assert [] == keys(store, after="c")


def test_a_page_that_ends_early_leaves_the_database_usable(store: Store) -> None:
    """Rows that were not read do not keep anybody from writing."""
    put(store, *(f"{number:03}" for number in range(300)), text='"' + "x" * 10_000 + '"')
    keys(store)

    put(store, "new")

    assert ["new"] == keys(store, keys=("new",))


def test_unknown_project(store: Store) -> None:
    """A collection or slot of a project that does not exist is not made: callers look first."""
    other = CollectionName(project=2, kind=CollectionKind.STORE, name="pages")
    for coroutine in (
        store.collections.put(other, [("a", "{}")], now=START),
        store.frontiers.add(SlotName(project=2, frontier="f", slot="s"), [request("a")]),
    ):
        with pytest.raises(IntegrityError):
            run_inline(coroutine)
    assert [] == run_inline(store.collections.names(2))


def test_text_that_no_database_holds(store: Store) -> None:
    """Half a surrogate pair is refused and nothing is stored."""
    with pytest.raises(Invalid):
        put(store, "a", "\ud800")
    assert [] == keys(store)


def test_purge_in_steps(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was removed is deleted a step at a time, until nothing is left of it."""
    monkeypatch.setattr(module, "REMOVED_AT_ONCE", 10)
    monkeypatch.setattr(frontier_module, "REMOVED_AT_ONCE", 10)
    put(store, *(f"{number}" for number in range(25)))
    run_inline(store.frontiers.add(SLOT, [request(f"{n}", n) for n in range(25)]))

    run_inline(store.collections.remove(1, "pages"))
    run_inline(store.frontiers.remove(SLOT))
    put(store, "new")

    assert [True, True, False] == [run_inline(store.collections.purge()) for _ in range(3)]
    steps = [run_inline(store.frontiers.purge()) for _ in range(5)]
    assert [True, True, True, True, False] == steps
    assert ["new"] == keys(store)


def test_expired_values_are_cleared_a_part_at_a_time(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write to a cached collection clears some of what has expired anywhere."""
    monkeypatch.setattr(module, "REMOVED_AT_ONCE", 2)
    cached = CollectionName(project=1, kind=CollectionKind.CACHED, name="c")
    put(store, *"abc", name=cached)
    later = at(31 * 86_400)

    run_inline(store.collections.put(cached, [("d", "{}")], now=later))

    assert 2 == run_inline(store.collections.count(cached, KeyRange(), now=START))
    assert 1 == run_inline(store.collections.count(cached, KeyRange(), now=later))


def test_order_of_keys(store: Store) -> None:
    """Keys are in the order of their characters' numbers, beyond the first plane, too."""
    names = ["", "A", "Z", "a", "test1", "test10", "test2", "é", "\ud7ff", "\ue000", "\U00010000"]
    put(store, *reversed(names))

    assert names == keys(store)


@pytest.mark.parametrize(
    ("prefix", "wanted"),
    [
        ("a", "b"),
        ("test", "tesu"),
        ("\ud7ff", "\ue000"),
        ("a\U0010ffff", "b"),
        ("\U0010ffff", None),
        ("", None),
    ],
)
def test_what_follows_a_prefix(prefix: str, wanted: str | None) -> None:
    """The text behind a prefix is behind all texts that begin with it, and no other."""
    assert wanted == following(prefix)


def test_batches() -> None:
    """Batches are full at a hundred requests or a megabyte, and of one priority."""
    large = [
        NewRequest(fingerprint=f"{number}", priority=2, text="x" * 700_000) for number in range(3)
    ]
    small = [request(f"{number}", number % 2) for number in range(250)]

    found = [(priority, count) for priority, count, _ in batches_of([*large, *small])]

    assert [(0, 100), (0, 25), (1, 100), (1, 25), (2, 2), (2, 1)] == found


@pytest.mark.parametrize(("priority", "digits"), [(0, "00"), (-5, "00"), (18, "12"), (999, "ff")])
def test_ids_of_batches(priority: int, digits: str) -> None:
    """The id of a batch begins with its priority, as far as two digits go, and has its number."""
    batch = FrontierBatch(number=2**40 + 7, priority=priority, requests=1, content="[]")

    assert digits + "0000010000000007" == batch.id
    assert 2**40 + 7 == number_of(batch.id)


@pytest.mark.parametrize("text", ["", "0", "g" * 18, "0" * 17, "0" * 19, "00" + "f" * 16, "٣" * 18])
def test_what_is_no_id(text: str) -> None:
    """Whatever is no name of a batch has no number."""
    assert number_of(text) is None
