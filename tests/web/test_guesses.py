"""Guessing: a few wrong credentials are looked at, then none for a while, longer each time."""

import pytest
from twisted.internet.task import Clock

from scrapy_do.core.principal import Principal
from scrapy_do.errors import NotAuthenticated, TooManyGuesses
from scrapy_do.web import guesses as module
from scrapy_do.web.auth import (
    Credentials,
    NoCredentials,
    PasswordCredentials,
    TokenCredentials,
    TokenExpired,
)
from scrapy_do.web.guesses import Guesses
from tests.factories import ANN
from tests.http_client import completed

JOB = PasswordCredentials(user="1/2/3", password="0" * 64)
RIGHT = PasswordCredentials(user="ann", password="secret")
WRONG = PasswordCredentials(user="ann", password="wrong")
OUR_TOKEN = TokenCredentials(token="sd_right")


class Looking:
    """Somebody's access, which counts what it looks at."""

    def __init__(self) -> None:
        self.looked = 0

    async def authenticate(self, credentials: Credentials) -> Principal:
        self.looked += 1
        if credentials in (RIGHT, OUR_TOKEN):
            return ANN
        if credentials == TokenCredentials(token="sd_old"):
            raise TokenExpired("old")
        raise NotAuthenticated("wrong")


class Asking:
    def __init__(self) -> None:
        self.clock = Clock()
        self.access = Looking()
        self.guesses = Guesses(seconds=self.clock.seconds)

    def __call__(self, credentials: Credentials, address: str = "192.0.2.1") -> str:
        try:
            completed(self.guesses.authenticate(self.access, credentials, address))
        except TooManyGuesses as error:
            return f"wait {error.wait_s}"
        except NotAuthenticated:
            return "wrong"
        return "right"


@pytest.fixture
def ask() -> Asking:
    return Asking()


def test_ten_are_looked_at(ask: Asking) -> None:
    """The eleventh is not, nor is a right password then; another address is."""
    assert [ask(WRONG) for _ in range(10)] == ["wrong"] * 10
    assert [ask(WRONG), ask(RIGHT)] == ["wait 61"] * 2
    assert [ask(RIGHT, "192.0.2.2"), ask.access.looked] == ["right", 11]


def test_the_silence_grows(ask: Asking) -> None:
    """A minute, two, four, up to an hour; and ends by itself."""
    waits = []
    for _ in range(9):
        said = [ask(WRONG) for _ in range(11)]
        waits.append(int(said[-1].removeprefix("wait ")) - 1)
        ask.clock.advance(waits[-1] + 1)
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    assert ask(RIGHT) == "right"


def test_an_hour_of_guessing(ask: Asking) -> None:
    """However many are sent within it, fewer than a hundred are looked at."""
    for _ in range(10_000):
        ask(WRONG)
        ask.clock.advance(0.36)
    assert ask.access.looked < 100


def test_now_and_then_is_no_guessing(ask: Asking) -> None:
    """Who is wrong nine times a minute is listened to."""
    for _ in range(20):
        assert [ask(WRONG) for _ in range(9)] == ["wrong"] * 9
        ask.clock.advance(60)


def test_a_right_one_takes_nothing_back(ask: Asking) -> None:
    """Somebody with an account cannot guess between two logins."""
    said = [ask(one) for _ in range(12) for one in (WRONG, RIGHT)]
    assert said.count("wrong") == 10


@pytest.mark.parametrize("credentials", [NoCredentials(), JOB, TokenCredentials(token="sd_old")])
def test_what_is_no_guess(ask: Asking, credentials: Credentials) -> None:
    """Nothing, the token of a job that is over, and one that was good once count for nothing."""
    assert [ask(credentials) for _ in range(50)] == ["wrong"] * 50
    assert ask(RIGHT) == "right"


def test_tokens_that_we_made(ask: Asking) -> None:
    """A right one is good even then; wrong ones count."""
    assert [ask(TokenCredentials(token=f"sd_{n}")) for n in range(11)][-1] == "wait 61"
    assert ask(OUR_TOKEN) == "right"


def test_a_network_of_ipv6_is_one_machine(ask: Asking) -> None:
    """Its addresses are counted together."""
    said = [ask(WRONG, f"2001:db8::{n:x}") for n in range(1, 12)]
    assert said[-1] == "wait 61"
    assert ask(WRONG, "2001:db8:0:1::1") == "wrong"


def test_addresses_are_bounded(ask: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many send something, so many are remembered, the last ones."""
    monkeypatch.setattr(module, "MOST_ADDRESSES", 5)
    for number in range(50):
        ask(WRONG, f"192.0.2.{number}")
    assert len(ask.guesses._records) == 5
