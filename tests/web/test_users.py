"""Who is known, from the configuration."""

from pathlib import Path

import pytest

from scrapy_do.config import WebConfig
from scrapy_do.core.principal import Principal, Role
from scrapy_do.errors import ConfigError, NotAuthenticated
from scrapy_do.web.auth import (
    FurtherTokens,
    NoCredentials,
    OpenAccess,
    PasswordCredentials,
    TokenCredentials,
    token_digest,
)
from scrapy_do.web.users import access_of, read_api_keys, read_users
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


# --- API keys ----------------------------------------------------------------------------------

ANN = Principal(name="ann", role=Role.ADMIN)


def test_api_keys(tmp_path: Path) -> None:
    """A line is a name, a key and the projects that it sees: all, some, or those of others."""
    path = users_file(
        tmp_path,
        "# keys\nann key-1\nbob key-2 all\n\n  eve   key-3  7,53\npanel key-4 administrator\n",
    )
    assert read_api_keys(path) == {
        token_digest("key-1"): ANN,
        token_digest("key-2"): Principal(name="bob", role=Role.ADMIN),
        token_digest("key-3"): Principal(name="eve", role=Role.PUSH, projects=frozenset({7, 53})),
        token_digest("key-4"): Principal(name="panel", role=Role.ADMIN, projects=frozenset()),
    }
    assert read_api_keys(tmp_path / "none") == {}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("ann", "line 1 of .* is not NAME KEY"),
        ("ann key 1 2", "line 1 of .* is not NAME KEY"),
        ("ann key\nbob key", "line 2 of .* is not NAME KEY"),
        ("ann key quotesbot", "line 1 of .*: 'quotesbot' must be all, administrator, or the num"),
        ("ann key 1,", "must be all, administrator"),
        ("ann key 0", "must be all, administrator"),
    ],
)
def test_a_line_that_is_no_key(tmp_path: Path, line: str, problem: str) -> None:
    """The start is refused with the line and what would be right."""
    with pytest.raises(ConfigError, match=problem):
        read_api_keys(users_file(tmp_path, line))


def test_keys_that_others_may_read(tmp_path: Path) -> None:
    """They are refused as passwords are."""
    with pytest.raises(ConfigError, match=r"api-keys.*chmod 600"):
        read_api_keys(users_file(tmp_path, "ann key", mode=0o644))


def test_further_tokens() -> None:
    """Their owners get in where they are known; everybody else as the site says."""
    access = FurtherTokens({token_digest("key"): ANN}, OpenAccess())
    by_key = completed(access.authenticate(TokenCredentials(token="key")))
    by_another = completed(access.authenticate(TokenCredentials(token="other")))
    by_password = completed(access.authenticate(PasswordCredentials(user="key", password="x")))
    assert (by_key, by_another.name, by_password.name) == (ANN, "local", "local")
