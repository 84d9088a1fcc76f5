"""Sessions of browsers: begun, used, ended, and never more than a bound."""

import pytest
from twisted.internet.task import Clock

from scrapy_do.core.principal import Principal, Role
from scrapy_do.errors import NotAuthenticated
from scrapy_do.system.passwords import token_digest
from scrapy_do.web import sessions as module
from scrapy_do.web.auth import OpenAccess, TokenAccess
from scrapy_do.web.sessions import Sessions, cookie_name, cookie_of, set_cookie
from scrapy_do.web.users import Passwords
from tests.factories import user
from tests.fakes import inline
from tests.http_client import completed

TOKEN = Principal(name="token", role=Role.ADMIN)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(clock: Clock) -> Sessions:
    access = TokenAccess(
        {token_digest("t0ken"): TOKEN}, verify=Passwords([user()], in_thread=inline)
    )
    return Sessions(access, seconds=clock.seconds)


def test_a_login_makes_a_session(sessions: Sessions) -> None:
    """The cookie of a right password stands for the user, another one for nobody."""
    cookie = completed(sessions.begin("ann", "secret"))

    owner = sessions.owner(cookie)

    assert owner is not None
    assert owner.name == "ann"
    assert sessions.owner(cookie + "x") is None


def test_a_token_logs_in_without_a_name(sessions: Sessions) -> None:
    """Who has only a token leaves the name empty."""
    assert sessions.owner(completed(sessions.begin("", "t0ken"))) == TOKEN


@pytest.mark.parametrize(
    ("user", "password"), [("ann", "wrong"), ("bob", "secret"), ("", ""), ("ann", ""), ("", "ann")]
)
def test_wrong_ones_make_none(sessions: Sessions, user: str, password: str) -> None:
    """What authentication does not know begins no session."""
    with pytest.raises(NotAuthenticated):
        completed(sessions.begin(user, password))


def test_each_login_has_its_own_cookie(sessions: Sessions) -> None:
    """No cookie is used twice, so none can be planted before a login."""
    cookies = {completed(sessions.begin("ann", "secret")) for _ in range(5)}

    assert len(cookies) == 5


def test_logging_out_ends_this_session_only(sessions: Sessions) -> None:
    """Another browser of the same user stays logged in."""
    first, second = (completed(sessions.begin("ann", "secret")) for _ in range(2))

    sessions.end(first)

    assert sessions.owner(first) is None
    assert sessions.owner(second) is not None


def test_sessions_end_by_themselves(sessions: Sessions, clock: Clock) -> None:
    """After a while without use, and at their greatest age though they are used."""
    idle = completed(sessions.begin("ann", "secret"))
    busy = completed(sessions.begin("ann", "secret"))

    passed_s = 0.0
    while passed_s < module.LIFE_S:
        assert sessions.owner(busy) is not None
        clock.advance(module.IDLE_S - 1)
        passed_s += module.IDLE_S - 1
    clock.advance(2)

    assert sessions.owner(idle) is None
    assert sessions.owner(busy) is None


def test_sessions_are_bounded(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was unused for longest makes room."""
    monkeypatch.setattr(module, "MOST_SESSIONS", 3)
    first, second, _ = (completed(sessions.begin("ann", "secret")) for _ in range(3))
    sessions.owner(first)

    completed(sessions.begin("ann", "secret"))

    assert sessions.owner(first) is not None
    assert sessions.owner(second) is None


def test_where_everybody_may_come_in_no_login_is_needed(clock: Clock, sessions: Sessions) -> None:
    """Whether the page is needed follows from what authentication says of nobody."""
    assert completed(sessions.is_needed())
    assert not completed(Sessions(OpenAccess(), seconds=clock.seconds).is_needed())


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("localhost:7654", "scrapy-do-7654"),
        ("[::1]:7654", "scrapy-do-7654"),
        ("[::1]", "scrapy-do"),
        ("crawls.example.org", "scrapy-do"),
    ],
)
def test_daemons_on_one_host_do_not_share_a_cookie(host: str, name: str) -> None:
    """Browsers send the cookies of a host to all its ports, so the name tells them apart."""
    assert cookie_name(host) == name
    assert cookie_of([f"other=1; {name}=abc"], host) == "abc"


def test_a_cookie_is_kept_from_scripts_and_other_sites() -> None:
    """HttpOnly and SameSite=Strict always; Secure where the connection is."""
    ((_, plain),) = set_cookie("abc", "localhost:7654", is_secure=False)
    ((_, secure),) = set_cookie("", "example.org", is_secure=True)

    assert plain == "scrapy-do-7654=abc; Path=/; HttpOnly; SameSite=Strict"
    assert secure == "scrapy-do=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0; Secure"


def test_cookies_that_mean_nothing_are_no_session() -> None:
    """Whatever a client sends, it is a cookie of ours or none."""
    for header in ("", ";;;", "scrapy-do-7654", "=x", '"', "scrapy-do-7654=\x00"):
        assert cookie_of([header], "localhost:7654") in {"", "\x00"}
