"""Who is known, from the configuration."""

from pathlib import Path

import pytest

from scrapy_do.config import WebConfig
from scrapy_do.core.principal import Principal, Role
from scrapy_do.errors import ConfigError, NotAuthenticated
from scrapy_do.web.auth import (
    NoCredentials,
    OpenAccess,
    PasswordCredentials,
    TokenCredentials,
)
from scrapy_do.web.users import access_of, read_users
from tests.http_client import completed

TOKEN = "a-token-of-more-than-twenty-characters"


def users_file(root: Path, text: str, mode: int = 0o600) -> Path:
    path = root / "auth.db"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_open() -> None:
    """Without authentication everybody is let in."""
    assert isinstance(access_of(WebConfig()), OpenAccess)


def test_users(tmp_path: Path) -> None:
    """Each line of the file is a user; blanks and comments are none."""
    path = users_file(tmp_path, "# people\nann:pass:word\n\n  bob:x  \n")

    assert {"ann": "pass:word", "bob": "x"} == read_users(path)


def test_access(tmp_path: Path) -> None:
    """The token and the users get in, and nobody else."""
    path = users_file(tmp_path, "ann:secret\n")
    access = access_of(WebConfig(auth=True, auth_db=path, token=TOKEN))

    by_token = completed(access.authenticate(TokenCredentials(token=TOKEN)))
    by_password = completed(access.authenticate(PasswordCredentials(user="ann", password="secret")))

    assert Principal(name="token", role=Role.ADMIN) == by_token
    assert Principal(name="ann", role=Role.ADMIN) == by_password
    for wrong in (
        NoCredentials(),
        TokenCredentials(token="x"),
        PasswordCredentials(user="ann", password="wrong"),
        PasswordCredentials(user="eve", password="secret"),
    ):
        with pytest.raises(NotAuthenticated):
            completed(access.authenticate(wrong))


def test_a_token_alone(tmp_path: Path) -> None:
    """Without a file of users only the token gets in."""
    access = access_of(WebConfig(auth=True, auth_db=tmp_path / "none", token=TOKEN))

    with pytest.raises(NotAuthenticated):
        completed(access.authenticate(PasswordCredentials(user="ann", password="secret")))


def test_nobody_could_get_in(tmp_path: Path) -> None:
    """Authentication without anybody who could pass it is refused at the start."""
    with pytest.raises(ConfigError, match="neither a token nor a user"):
        access_of(WebConfig(auth=True, auth_db=tmp_path / "none"))


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        ("ann:secret\n", 0o644, "others may read it"),
        ("ann\n", 0o600, "line 1"),
        ("ann:x\n:secret\n", 0o600, "line 2"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, mode: int, words: str) -> None:
    """A file that gives its passwords away, or holds a line that is no user, is refused."""
    with pytest.raises(ConfigError, match=words):
        read_users(users_file(tmp_path, text, mode))


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """What is no text file is refused, the option named."""
    with pytest.raises(ConfigError, match=r"\[web\] auth-db"):
        read_users(tmp_path)
