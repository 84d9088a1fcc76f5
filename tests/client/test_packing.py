"""What is sent of a project: its files, and not what belongs to the developer's machine."""

import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from scrapy_do.client.errors import UserError
from scrapy_do.client.packing import project_at, version_by_git

FILES = ("scrapy.cfg", "bot/__init__.py", "bot/settings.py", "bot/data/words.txt", "README.md")
LEFT_OUT = (
    *("bot/__pycache__/x.cpython-311.pyc", ".git/config", ".venv/bin/python", "env/pyvenv.cfg"),
    *("env/lib/x.py", "bot.egg-info/PKG-INFO", ".scrapy/httpcache/x", "bot/x.py~", ".DS_Store"),
)
CONFIG = "[settings]\ndefault = bot.settings\n[deploy]\nproject = bot\n"


@pytest.fixture(name="project")
def _project(tmp_path: Path) -> Path:
    for name in (*FILES, *LEFT_OUT):
        path = tmp_path / "bot" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(CONFIG if name == "scrapy.cfg" else name)
    return tmp_path / "bot"


def _names(place: Path) -> set[str]:
    return {str(file) for file in project_at(place, None).files}


def test_all_but_the_ignored(project: Path, tmp_path: Path) -> None:
    """Data files go too; caches, environments and repositories do not."""
    assert _names(project) == set(FILES)
    assert _names(project / "bot" / "data") == set(FILES)
    source = project_at(project, None)
    source.write(tmp_path / "bot.zip")
    with zipfile.ZipFile(tmp_path / "bot.zip") as archive:
        assert set(archive.namelist()) == set(FILES)
        assert archive.read("bot/data/words.txt") == b"bot/data/words.txt"
    assert (source.project, project_at(project, "other").project) == ("bot", "other")


def test_globs_choose(project: Path) -> None:
    """`[deploy] glob` names the files, as Scrapy Do 0.5 has it."""
    (project / "scrapy.cfg").write_text(f"{CONFIG}glob = **/*.py bot/data/*\n")
    assert _names(project) == set(FILES) - {"README.md"}


@pytest.mark.live
@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_what_git_ignores_stays(project: Path) -> None:
    """In a repository its own rules hold; the version may be what git calls it."""
    shutil.rmtree(project / ".git")
    (project / ".gitignore").write_text("secret.txt\n")
    (project / "secret.txt").touch()
    git = ["git", "-C", str(project), "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "first"], ["tag", "v1/2"]):
        subprocess.run([*git, *words], check=True)
    (project / "bot" / "new.py").touch()
    (project / "README.md").unlink()
    kept = set(FILES) - {"README.md"}
    assert _names(project) == {*kept, "bot/new.py", ".gitignore"}
    assert version_by_git(project) == "v1-2-dirty"


@pytest.mark.parametrize(
    ("config", "error", "hint"),
    [
        (None, "no scrapy.cfg in ", "scrapy-do push PATH"),
        ("[settings]\ndefault = bot.settings\n", "has no [deploy] project", "-p bot"),
        ("nonsense", "File contains no section headers", "scrapy-do config --help"),
    ],
)
def test_what_is_no_project(tmp_path: Path, config: str | None, error: str, hint: str) -> None:
    """A directory without a project, or one without a name, is said to be so."""
    if config is not None:
        (tmp_path / "scrapy.cfg").write_text(config)
    with pytest.raises(UserError) as caught:
        project_at(tmp_path, None)
    assert error in caught.value.message
    assert hint in caught.value.try_
