"""Digest login: right answers once, each nonce for a while, in bounded memory."""

import re
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock

from scrapy_do.core.principal import Principal, Role
from scrapy_do.errors import NotAuthenticated
from scrapy_do.web.auth import DigestCredentials, TokenAccess
from scrapy_do.web.digest import LIFETIME_S, MOST_IN_USE, Digests, StaleNonce
from tests.factories import user
from tests.http_client import HttpClient, site_of
from tests.web.dialects import Echo


def hexdigest(text: str) -> str:
    return md5(text.encode(), usedforsecurity=False).hexdigest()


def answer(challenge: str, *, count: int = 1, **changes: Any) -> DigestCredentials:
    """Answer a challenge as a client does."""
    given = dict(re.findall(r'(\w+)="?([^",]+)"?', challenge))
    values = {
        "username": "ann",
        "password": "secret",
        "realm": given["realm"],
        "nonce": given["nonce"],
        "nc": f"{count:08x}",
        "cnonce": "c",
        "qop": "auth",
        "uri": "/echo?a=1",
        **changes,
    }
    first = hexdigest(f"{values['username']}:{values['realm']}:{values.pop('password')}")
    second = hexdigest(f"GET:{values['uri']}")
    parts = (values["nonce"], values["nc"], values["cnonce"], values["qop"], second)
    values.setdefault("response", hexdigest(":".join((first, *parts))))
    return DigestCredentials(fields=values, method="GET", target="/echo?a=1")


def digests(clock: Clock) -> Digests:
    return Digests([user(), user("zoë", "sécret")], seconds=clock.seconds)


def test_right_answer() -> None:
    """Who knows the password gets in, also with signs beyond ASCII."""
    known = digests(Clock())
    found = [
        known.authenticate(answer(known.challenge())),
        known.authenticate(answer(known.challenge(), username="zoë", password="sécret")),
    ]
    assert [Principal(name=name, role=Role.ADMIN) for name in ("ann", "zoë")] == found


@pytest.mark.parametrize(
    "changes",
    [
        {"password": "wrong"},
        {"username": "eve"},
        {"username": "eve", "response": hexdigest("")},
        {"realm": "elsewhere"},
        {"uri": "/echo?a=2"},
        {"qop": "auth-int"},
        {"algorithm": "SHA-256"},
        {"nc": "1"},
        {"response": ""},
        {"response": "é"},
    ],
)
def test_wrong_answer(changes: dict[str, Any]) -> None:
    """Any field that is wrong, or for something else, keeps out, and is not called stale."""
    known = digests(Clock())
    with pytest.raises(NotAuthenticated) as caught:
        known.authenticate(answer(known.challenge(), **changes))
    assert not isinstance(caught.value, StaleNonce)


def test_no_replay() -> None:
    """Each count of a nonce is good once, in whatever order they come."""
    known = digests(Clock())
    challenge = known.challenge()
    for count in (1, 3, 2, 300):
        known.authenticate(answer(challenge, count=count))
    for count in (1, 2, 3, 300, 0, 4):
        with pytest.raises(StaleNonce):
            known.authenticate(answer(challenge, count=count))
    known.authenticate(answer(challenge, count=299))


def test_nonces_age() -> None:
    """A nonce is good for a while; one that we did not make never is."""
    clock = Clock()
    known = digests(clock)
    challenge = known.challenge()
    clock.advance(LIFETIME_S - 1)
    known.authenticate(answer(challenge))
    clock.advance(2)
    with pytest.raises(StaleNonce):
        known.authenticate(answer(challenge, count=2))
    for nonce in ("", "x", digests(clock).challenge().split('"')[3]):
        with pytest.raises(StaleNonce):
            known.authenticate(answer(challenge, nonce=nonce))


def test_bounded_memory() -> None:
    """Of many nonces the oldest are forgotten, and then they are stale, not good again."""
    clock = Clock()
    known = digests(clock)
    challenges = []
    for _ in range(MOST_IN_USE + 10):
        challenges.append(known.challenge())
        known.authenticate(answer(challenges[-1]))
        clock.advance(0.1)
    assert len(known._used) <= MOST_IN_USE
    for challenge in (challenges[0], challenges[-1]):
        with pytest.raises(StaleNonce):
            known.authenticate(answer(challenge))
    known.authenticate(answer(challenges[-1], count=2))


def test_challenges(tmp_path: Path) -> None:
    """A 401 offers digest first, where it is on, and says when a nonce is stale."""
    clock = Clock()
    known = digests(clock)
    access = TokenAccess({}, verify_digest=known.authenticate)
    client = HttpClient(
        site_of(Echo(), spool_dir=tmp_path, access=access, digests=lambda: known, clock=clock)
    )
    plain = HttpClient(site_of(Echo(), spool_dir=tmp_path, access=TokenAccess({})))

    def ask(challenge: str) -> Any:
        fields = answer(challenge).fields
        header = "Digest " + ", ".join(f'{name}="{value}"' for name, value in fields.items())
        return client.get("/echo?a=1", headers={"Authorization": header})

    offered = client.get("/echo").headers["www-authenticate"]
    assert offered.startswith('Digest realm="scrapy-do", nonce="')
    assert 'Basic realm="scrapy-do"' in offered
    assert ask(offered).json == {"a": ["1"]}
    again = ask(offered)
    assert (401, True) == (again.status, "stale=true" in again.headers["www-authenticate"])
    assert "Digest" not in plain.get("/echo").headers["www-authenticate"]
