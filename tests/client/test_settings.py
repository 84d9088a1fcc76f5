"""Where the daemon is and who asks: who goes first, and to whom credentials are sent."""

import os
import pwd
from pathlib import Path

import pytest

from scrapy_do.client.errors import UserError
from scrapy_do.client.settings import (
    Profiles,
    Settings,
    home_directory,
    profiles_path,
    settings_of,
)

A, B, C = "http://a:1", "http://b:2", "http://c:3"


@pytest.fixture(name="home")
def _home(tmp_path: Path) -> Path:
    (tmp_path / "project" / "inner").mkdir(parents=True)
    return tmp_path


def _found(home: Path, flags: dict[str, str | None] | None = None, **environ: str) -> Settings:
    return settings_of(flags or {}, {"HOME": str(home), **environ}, home / "project" / "inner")


def _deploy(home: Path, text: str) -> None:
    (home / "project" / "scrapy.cfg").write_text(text)


def test_from_the_first_to_the_last(home: Path) -> None:
    """Flags, environment, scrapy.cfg, profile, the old file, the default: the first one counts."""
    assert (_found(home).url, _found(home).values["url"].origin) == (
        "http://localhost:7654",
        "default",
    )
    (home / ".scrapy-do.cfg").write_text(f"[scrapy-do]\nurl = {A}\nusername = old\npassword = p\n")
    assert (_found(home).url, _found(home).text("username")) == (A, "old")
    Profiles(profiles_path({"HOME": str(home)})).put("default", {"url": B, "token": "t"})
    found = _found(home)
    assert (found.url, found.text("token"), found.text("username")) == (B, "t", None)
    _deploy(home, f"[deploy]\nurl = {C}/\nproject = bot\nusername = cfg\npassword = q\n")
    found = _found(home)
    assert (found.url, found.text("project"), found.text("username")) == (C, "bot", "cfg")
    assert found.text("token") is None
    assert _found(home, SCRAPY_DO_URL=A, SCRAPY_DO_PROJECT="mine").text("project") == "mine"
    assert _found(home, {"url": B}, SCRAPY_DO_URL=A).values["url"].origin == "--url"


def test_credentials_go_to_their_own_daemon(home: Path) -> None:
    """What a file says of one daemon is not sent to another."""
    _deploy(home, f"[deploy]\nurl = {A}\nusername = cfg\npassword = q\n")
    assert _found(home, {"url": B}).text("username") is None
    assert _found(home, {"url": f"{A}/"}).text("username") == "cfg"
    found = _found(home, {"url": B}, SCRAPY_DO_TOKEN="t")
    assert (found.text("token"), found.text("username")) == ("t", None)
    found = _found(home, {"url": A}, SCRAPY_DO_USERNAME="env", SCRAPY_DO_PASSWORD="p")
    assert (found.text("username"), found.text("password")) == ("env", "p")
    found = _found(home, {"url": A}, SCRAPY_DO_USERNAME="env")
    assert (found.text("username"), found.text("password")) == ("env", None)


def test_targets_and_profiles(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--profile` names a target of scrapy.cfg or a profile; `$VAR` is expanded."""
    monkeypatch.setenv("SECRET", "s$1")
    _deploy(
        home,
        f"[deploy]\nproject = bot\n[deploy:live]\nurl = {A}\nusername = u\npassword = $SECRET\n",
    )
    Profiles(profiles_path({"HOME": str(home)})).put("mine", {"url": B, "project": "other"})
    found = _found(home, {"profile": "live"})
    assert (found.url, found.text("password"), found.text("project")) == (A, "s$1", "bot")
    found = _found(home, SCRAPY_DO_PROFILE="mine")
    assert (found.url, found.text("project")) == (B, "other")
    with pytest.raises(UserError, match='no profile "nobody"') as caught:
        _found(home, {"profile": "nobody"})
    assert caught.value.notes == ("known: live, mine",)


def test_netrc(home: Path) -> None:
    """Name and password of the daemon's host come from .netrc, where nothing better is known."""
    (home / ".netrc").write_text("machine b login net password n\n")
    (home / ".netrc").chmod(0o600)
    found = _found(home, {"url": B})
    assert (found.text("username"), found.text("password")) == ("net", "n")
    assert found.values["username"].origin == str(home / ".netrc")
    assert _found(home, {"url": A}).text("username") is None


def test_profiles_are_private(home: Path) -> None:
    """The file of profiles is for its owner alone; one that others can read is warned of."""
    path = profiles_path({"HOME": str(home)})
    Profiles(path).put("default", {"url": A, "token": "t"})
    assert path.stat().st_mode & 0o777 == 0o600
    assert _found(home).warnings == ()
    path.chmod(0o644)
    assert _found(home).warnings == (f"{path} can be read by others: chmod 600 {path}",)
    assert Profiles(path).forget_credentials("default")
    assert _found(home).text("token") is None
    assert path.stat().st_mode & 0o777 == 0o600


def test_secrets_are_not_shown(home: Path) -> None:
    """What is shown of the settings has their origin, but no secret."""
    shown = list(_found(home, {"url": A}, SCRAPY_DO_TOKEN="secret").shown())
    assert ("url", A, "--url") in shown
    assert ("token", "***", "SCRAPY_DO_TOKEN") in shown


def test_a_file_that_is_no_text_is_named(home: Path) -> None:
    """A file that is not UTF-8 is named, in words."""
    (home / ".scrapy-do.cfg").write_bytes(b"\xff\xfe[")
    with pytest.raises(UserError, match=r"\.scrapy-do\.cfg: it is not text in UTF-8"):
        _found(home)


def test_a_broken_file_is_named(home: Path) -> None:
    """A file that means nothing is named in one sentence."""
    _deploy(home, "no section\n")
    with pytest.raises(UserError, match=r"scrapy\.cfg: File contains no section headers"):
        _found(home)


def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without HOME the home is that of the user's entry; a user without an entry has the root."""
    own = Path(pwd.getpwuid(os.getuid()).pw_dir)
    assert home_directory({}) == home_directory({"HOME": ""}) == own
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)
    assert home_directory({}) == Path("/")
