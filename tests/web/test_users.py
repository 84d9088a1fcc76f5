"""Who is known: from the configuration, from the store, from files."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from scrapy_do.config import WebConfig
from scrapy_do.core.accounts import Accounts
from scrapy_do.core.principal import Principal, Role
from scrapy_do.errors import ConfigError, NotAuthenticated
from scrapy_do.system.passwords import token_digest
from scrapy_do.web.auth import (
    Access,
    FurtherTokens,
    NoCredentials,
    OpenAccess,
    PasswordCredentials,
    TokenCredentials,
    TokenExpired,
)
from scrapy_do.web.users import Passwords, access_of, read_api_keys, read_users
from tests.factories import token, user
from tests.fakes import inline
from tests.http_client import completed

TOKEN = "a-token-of-more-than-twenty-characters"
NOBODY = Accounts()
Found = TypeVar("Found")


def users_file(root: Path, text: str, mode: int = 0o600) -> Path:
    path = root / "auth.db"
    path.write_text(text)
    path.chmod(mode)
    return path


def access(web: WebConfig, accounts: Accounts = NOBODY, **options: Any) -> Access:
    return access_of(web, accounts, in_thread=inline, **options)


def test_open() -> None:
    """Without authentication everybody is let in."""
    assert isinstance(access(WebConfig()), OpenAccess)


def test_users(tmp_path: Path) -> None:
    """Each line of the file is a user; blanks and comments are none."""
    path = users_file(tmp_path, "# people\nann:pass:word\n\n  bob:x  \n")

    assert {"ann": "pass:word", "bob": "x"} == read_users(path)


def test_access() -> None:
    """The token of the configuration, users and stored tokens get in, and nobody else."""
    known = Accounts(users=(user(role=Role.RUN),), tokens=(token("sd_1", role=Role.READ),))
    site = access(WebConfig(auth=True, token=TOKEN), known)

    found = [
        completed(site.authenticate(one))
        for one in (
            TokenCredentials(token=TOKEN),
            TokenCredentials(token="sd_1"),
            PasswordCredentials(user="ann", password="secret"),
            PasswordCredentials(user="ann", password="secret"),
        )
    ]

    ann = Principal(name="ann", role=Role.RUN)
    assert found == [
        Principal(name="token", role=Role.ADMIN),
        Principal(name="sd_1", role=Role.READ),
        ann,
        ann,
    ]
    for wrong in (
        NoCredentials(),
        TokenCredentials(token="x"),
        PasswordCredentials(user="ann", password="wrong"),
        PasswordCredentials(user="eve", password="secret"),
    ):
        with pytest.raises(NotAuthenticated):
            completed(site.authenticate(wrong))


def test_a_right_password_is_tried_once() -> None:
    """The slow hash is paid once for a user; a wrong password and a stranger pay each time."""
    tried: list[object] = []

    def counted(function: Callable[[], Found]) -> Awaitable[Found]:
        tried.append(function)
        return inline(function)

    passwords = Passwords([user()], in_thread=counted)
    for name, password in [("ann", "secret")] * 3 + [("ann", "no")] * 2 + [("eve", "secret")] * 2:
        completed(passwords(name, password))
    assert len(tried) == 1 + 2 + 2


def test_a_token_that_has_expired() -> None:
    """It opens nothing, and its bearer is told so."""
    known = Accounts(tokens=(token("old", name="ci"),))
    site = access(WebConfig(auth=True), known, is_good=lambda _: False)

    with pytest.raises(TokenExpired, match="The token ci has expired"):
        completed(site.authenticate(TokenCredentials(token="old")))


def test_a_token_alone() -> None:
    """Without users only the token gets in."""
    site = access(WebConfig(auth=True, token=TOKEN))

    with pytest.raises(NotAuthenticated):
        completed(site.authenticate(PasswordCredentials(user="ann", password="secret")))


def test_nobody_could_get_in() -> None:
    """Authentication without anybody who could pass it is refused, with the way out."""
    with pytest.raises(ConfigError, match=r"neither a token nor a user.*scrapy-do user add NAME"):
        access(WebConfig(auth=True))


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
