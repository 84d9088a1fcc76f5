"""Wheel and sdist: the same sources give the same bytes, and nothing is missing in them."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tools.description import description

TOP = Path(__file__).parent.parent
MAN = ("man1/scrapy-do.1", "man1/scrapy-do-cl.1", "man5/scrapy-do.conf.5")


def sources() -> list[str]:
    """Return the names of all files that git knows, or would."""
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    said = subprocess.run(words, cwd=TOP, capture_output=True, text=True, check=True)
    return [name for name in said.stdout.splitlines() if (TOP / name).is_file()]


def begin_build(place: Path, umask: int) -> "subprocess.Popen[str]":
    """Build from a copy of the sources, whose files are new, in another place."""
    for name in sources():
        target = place / "copy" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(TOP / name, target)
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "build",
            "--no-isolation",
            "--outdir",
            str(place / "dist"),
            str(place / "copy"),
        ],
        env={**os.environ, "SOURCE_DATE_EPOCH": "1790000000"},
        umask=umask,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.live
def test_two_builds_give_the_same_bytes_with_all_in_them(tmp_path: Path) -> None:
    """Neither place, time nor umask shows; the wheel has our files, man pages and the licence."""
    builds = {place: begin_build(tmp_path / place, umask) for place, umask in _PLACES.items()}
    for build in builds.values():
        said, _ = build.communicate()
        assert build.returncode == 0, said[-3000:]
    made = {
        place: {one.name: one.read_bytes() for one in (tmp_path / place / "dist").iterdir()}
        for place in _PLACES
    }
    assert made["one"] == made["other"]

    [wheel] = (tmp_path / "one" / "dist").glob("*.whl")
    [sdist] = (tmp_path / "one" / "dist").glob("*.tar.gz")
    packed = zipfile.ZipFile(wheel).namelist()
    package = {name for name in sources() if name.startswith("scrapy_do/")}
    assert package - {*packed} == set()
    assert [page for page in MAN if not any(name.endswith(page) for name in packed)] == []
    assert any(name.endswith("licenses/LICENSE") for name in packed)
    documents = {name.rpartition("share/doc/scrapy-do/")[2] for name in packed}
    expected = {name[5:] for name in sources() if re.fullmatch(r"docs/(how-to/)?[\w-]+\.md", name)}
    assert {*expected, "LICENSE"} - documents == set()
    assert wheel.stat().st_size < 1_000_000
    with zipfile.ZipFile(wheel) as opened:
        [metadata] = [name for name in packed if name.endswith("METADATA")]
        told = opened.read(metadata).decode().partition("\n\n")[2]
    assert told.startswith("# Scrapy Do\n")
    assert "](docs/" not in told
    with tarfile.open(sdist) as archive:
        shipped = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {name for name in sources() if name.startswith(("docs/", "etc/", "tools/"))}
    assert (wanted | package) - shipped == set()


_PLACES = {"one": 0o022, "other": 0o077}


README = """# Name

<picture><source srcset="docs/img/d.png"><img alt="x" src="docs/img/l.png"></picture>

See [the pages](docs/index.md#first) and [Scrapy](https://scrapy.org); [all](LICENSE).
"""


def test_the_description_leads_nowhere_beside_it() -> None:
    """Where the sources have an address, links are below it; without one they are words."""
    assert description(README, "https://host/one") == (
        '# Name\n\n<picture><source srcset="https://host/one/raw/HEAD/docs/img/d.png">'
        '<img alt="x" src="https://host/one/raw/HEAD/docs/img/l.png"></picture>\n\n'
        "See [the pages](https://host/one/blob/HEAD/docs/index.md#first) and "
        "[Scrapy](https://scrapy.org); [all](https://host/one/blob/HEAD/LICENSE).\n"
    )
    assert description(README, None).startswith(
        "# Name\n\nSee the pages and [Scrapy](https://scrapy.org); all.\n"
    )


def test_nothing_in_our_description_is_relative() -> None:
    """Every link and picture that an index shows of the README can be followed there."""
    for address in (None, "https://host/one"):
        told = description((TOP / "README.md").read_text(), address)
        targets = re.findall(r"\]\(([^)]+)\)|src(?:set)?=\"([^\"]+)\"", told)
        assert [one for pair in targets for one in pair if one and "://" not in one] == []
