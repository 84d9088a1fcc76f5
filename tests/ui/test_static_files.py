"""What pages load: named by content, kept for ever, and what was vendored."""

import gzip
import re
from importlib.resources import files
from pathlib import Path

import pytest

from scrapy_do.ui.static_files import StaticFiles
from tests.ui.browsing import Pages
from tests.world import World
from tools import vendor


def test_files_are_named_by_their_content_and_never_change(tmp_path: Path) -> None:
    """A page names a file by its content, and a browser may keep it for ever."""
    pages = Pages(World(tmp_path))
    name = StaticFiles().names["app.css"]

    answer = pages.answer(f"/ui/static/{name}", headers={"Accept-Encoding": "gzip"})

    assert f'href="/ui/static/{name}"' in pages.get("/ui/")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert gzip.decompress(answer.body) == Path("scrapy_do/ui/static/app.css").read_bytes()


def test_a_file_of_another_version_is_not_there(tmp_path: Path) -> None:
    """A name that was never made of a content is answered with 404."""
    assert Pages(World(tmp_path)).answer("/ui/static/app.000000000000.css").status == 404


@pytest.mark.parametrize("line", vendor.HASHES.read_text().splitlines())
def test_vendored_files_are_what_was_fetched(line: str) -> None:
    """Each file of others has the hash that was written down when it was fetched."""
    assert line in vendor.sums()


def _luminance(colour: str) -> float:
    """Of a colour `#rrggbb`, as WCAG 2.2 defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("mark", ["run", "good", "bad", "ended"])
@pytest.mark.parametrize("behind", ["sheet", "ground"])
@pytest.mark.parametrize("place", [0, 1], ids=["light", "dark"])
def test_marks_of_charts_stand_out(mark: str, behind: str, place: int) -> None:
    """Lines and bars are 3 : 1 at least against what is behind them, in light and dark."""
    sheet = (files("scrapy_do.ui") / "static" / "app.css").read_text()
    tokens = dict(re.findall(r"--([\w-]+): light-dark\((#\w{6}, #\w{6})\)", sheet))
    one, other = (tokens[name].split(", ")[place] for name in (mark, behind))

    low, high = sorted((_luminance(one), _luminance(other)))
    assert (high + 0.05) / (low + 0.05) >= 3
