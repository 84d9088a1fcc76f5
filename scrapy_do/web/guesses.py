"""Guessing is slow: who sends wrong credentials often is not listened to for a while.

Note [What is throttled]
    From one address ten wrong credentials within a minute are looked at; then none are for a
    minute, after ten more for two, and so on up to an hour. A right answer takes nothing back:
    somebody with an account of their own could guess those of others between two logins. Sessions
    are not asked for. A token that we made is looked up even then, as nobody guesses 256 bits: so
    whoever shares an address (a proxy's) with somebody who guesses is kept out with a password,
    an API key or the token of the configuration only.
    Tokens of jobs are as long, and a crawl may go on to send one that is over: they count
    for nothing.
"""

import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_network

from twisted.internet.defer import DeferredLock

from scrapy_do.core.principal import Principal
from scrapy_do.errors import NotAuthenticated, TooManyGuesses
from scrapy_do.system.passwords import TOKEN_PREFIX
from scrapy_do.web.auth import (
    Access,
    Credentials,
    NoCredentials,
    PasswordCredentials,
    TokenCredentials,
    TokenExpired,
)
from scrapy_do.web.digest import StaleNonce

FAILURES = 10
WINDOW_S = 60.0
FIRST_DELAY_S, LONGEST_DELAY_S = 60.0, 3600.0
MOST_ADDRESSES = 10_000
_JOB_TOKEN = re.compile(r"[0-9a-f]{64}")
_NO_GUESS = (StaleNonce, TokenExpired)


@dataclass(slots=True)
class _Record:
    """What came from one address. `delay_s` is how long the next silence is."""

    since_s: float
    failures: int = 0
    silent_until_s: float = 0.0
    delay_s: float = FIRST_DELAY_S
    turn: DeferredLock = field(default_factory=DeferredLock)


class Guesses:
    """Counts wrong credentials by address; see Note [What is throttled].

    At most `MOST_ADDRESSES` are remembered: the one heard of longest ago makes room.
    """

    def __init__(self, *, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._records: OrderedDict[str, _Record] = OrderedDict()

    async def authenticate(
        self, access: Access, credentials: Credentials, address: str
    ) -> Principal:
        """Who asks, as `access` says, unless too many wrong credentials came from there.

        Raises:
            NotAuthenticated: nobody, or not this way.
            TooManyGuesses: it was not looked at.
        """
        if isinstance(credentials, NoCredentials) or _is_of_job(credentials):
            return await access.authenticate(credentials)
        if isinstance(credentials, TokenCredentials) and credentials.token.startswith(TOKEN_PREFIX):
            try:
                return await access.authenticate(credentials)
            except _NO_GUESS:
                raise
            except NotAuthenticated:
                self._check(address)
                self._failed(address)
                raise
        # One after the other, or many at once would all be looked at before one has failed.
        turn = self._record(address).turn
        await turn.acquire()
        try:
            self._check(address)
            return await access.authenticate(credentials)
        except _NO_GUESS:
            raise
        except NotAuthenticated:
            self._failed(address)
            raise
        finally:
            turn.release()

    def _record(self, address: str) -> _Record:
        group = _group(address)
        record = self._records.pop(group, None)
        if record is None:
            while len(self._records) >= MOST_ADDRESSES:
                self._records.popitem(last=False)
            record = _Record(since_s=self._seconds())
        self._records[group] = record
        return record

    def _check(self, address: str) -> None:
        record = self._records.get(_group(address))
        if record is not None and self._seconds() < record.silent_until_s:
            raise TooManyGuesses(address, record.silent_until_s - self._seconds())

    def _failed(self, address: str) -> None:
        record, now_s = self._record(address), self._seconds()
        if now_s - max(record.since_s, record.silent_until_s) > LONGEST_DELAY_S:
            record.delay_s = FIRST_DELAY_S
        if now_s - record.since_s >= WINDOW_S:
            record.since_s, record.failures = now_s, 0
        record.failures += 1
        if record.failures >= FAILURES:
            record.silent_until_s = record.since_s = now_s + record.delay_s
            record.delay_s = min(2 * record.delay_s, LONGEST_DELAY_S)
            record.failures = 0


def _is_of_job(credentials: Credentials) -> bool:
    """Whether these are of the form of a job's: `P/S/J` and 256 bits."""
    return (
        isinstance(credentials, PasswordCredentials)
        and credentials.user.count("/") == 2  # noqa: PLR2004 - as in the docstring
        and credentials.user.replace("/", "").isdecimal()
        and _JOB_TOKEN.fullmatch(credentials.password) is not None
    )


def _group(address: str) -> str:
    """Whose address it is: with IPv6 one machine has a network of 64 bits to itself."""
    if ":" not in address:
        return address
    try:
        return str(ip_network(f"{address.partition('%')[0]}/64", strict=False))
    except ValueError:
        return address
