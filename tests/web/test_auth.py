"""Who asks."""

import base64
from pathlib import Path

import pytest

from scrapy_do.core.principal import Principal, Role
from scrapy_do.errors import NotAuthenticated
from scrapy_do.system.passwords import token_digest
from scrapy_do.web.auth import (
    LOCAL,
    Credentials,
    DigestCredentials,
    NoCredentials,
    OpenAccess,
    PasswordCredentials,
    TokenAccess,
    TokenCredentials,
    credentials_of,
)
from scrapy_do.web.status import Malformed
from tests.http_client import HttpClient, completed, site_of
from tests.web.dialects import Echo

READER = Principal(name="reader", role=Role.READ)
RUNNER = Principal(name="runner", role=Role.RUN)
PUSHER = Principal(name="pusher", role=Role.PUSH)
ADMIN = Principal(name="admin", role=Role.ADMIN)
TOKENS = {
    token_digest(f"{principal.name}-token"): principal
    for principal in (READER, RUNNER, PUSHER, ADMIN)
}


async def verify(user: str, password: str) -> Principal | None:
    return RUNNER if (user, password) == ("ann", "right:word") else None


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("authorization", "api_keys", "expected"),
    [
        ([], [], NoCredentials()),
        ([], ["key", "other"], TokenCredentials(token="key")),
        (["Bearer abc"], ["key"], TokenCredentials(token="abc")),
        (["bearer  abc "], [], TokenCredentials(token="abc")),
        ([basic("key:")], [], TokenCredentials(token="key")),
        ([basic("key")], [], TokenCredentials(token="key")),
        ([basic("ann:right:word")], [], PasswordCredentials(user="ann", password="right:word")),
        ([basic("1/2/3:tok")], [], PasswordCredentials(user="1/2/3", password="tok")),
        ([basic(":")], [], NoCredentials()),
        ([basic("")], [], NoCredentials()),
        (
            ['Digest username="a\\"b", nc=00000001 ,qop=auth, Uri="/x?y=1,2"'],
            [],
            DigestCredentials(
                fields={"username": 'a"b', "nc": "00000001", "qop": "auth", "uri": "/x?y=1,2"},
                method="",
                target="",
            ),
        ),
        (["Digest ,,,"], [], DigestCredentials(fields={}, method="", target="")),
        (["Negotiate abc"], [], NoCredentials()),
        ([""], [], NoCredentials()),
    ],
)
def test_credentials(authorization: list[str], api_keys: list[str], expected: Credentials) -> None:
    """Bearer, Basic with and without password, and the API key in the query are read."""
    assert credentials_of(authorization, api_keys) == expected


@pytest.mark.parametrize(
    "authorization", [["Bearer a", "Bearer b"], ["Basic !!!"], ["Basic /w=="], ["Basic \u00fc"]]
)
def test_broken_credentials(authorization: list[str]) -> None:
    """Credentials that cannot be read are bad requests."""
    with pytest.raises(Malformed):
        credentials_of(authorization, [])


def test_secrets_are_not_shown() -> None:
    """The text of credentials does not hold the secret."""
    shown = repr([TokenCredentials(token="hush"), PasswordCredentials(user="a", password="hush")])
    assert "hush" not in shown


def test_open_access() -> None:
    """Without authentication everybody is the local administrator."""
    assert completed(OpenAccess().authenticate(NoCredentials())) == LOCAL
    assert LOCAL == Principal(name="local", role=Role.ADMIN)


@pytest.mark.parametrize(
    ("credentials", "expected"),
    [
        (TokenCredentials(token="reader-token"), READER),
        (TokenCredentials(token="admin-token"), ADMIN),
        (PasswordCredentials(user="ann", password="right:word"), RUNNER),
    ],
)
def test_known_credentials(credentials: Credentials, expected: Principal) -> None:
    """A known token and a right password give their principal."""
    assert completed(TokenAccess(TOKENS, verify=verify).authenticate(credentials)) == expected


@pytest.mark.parametrize(
    "credentials",
    [
        NoCredentials(),
        TokenCredentials(token="reader-tokeN"),
        TokenCredentials(token=""),
        TokenCredentials(token=token_digest("reader-token")),
        PasswordCredentials(user="ann", password="wrong"),
        PasswordCredentials(user="reader-token", password="x"),
    ],
)
def test_unknown_credentials(credentials: Credentials) -> None:
    """Everything else is nobody, also the digest that is stored."""
    for access in (TokenAccess(TOKENS, verify=verify), TokenAccess(TOKENS), TokenAccess({})):
        if not access._tokens and isinstance(credentials, PasswordCredentials):
            continue
        with pytest.raises(NotAuthenticated):
            completed(access.authenticate(credentials))


def test_every_route_needs_credentials(tmp_path: Path) -> None:
    """With authentication on nothing is told to nobody, not even which paths exist."""
    echo = Echo()
    client = HttpClient(site_of(echo, spool_dir=tmp_path, access=TokenAccess(TOKENS)))
    targets = [(route.method, route.pattern) for route in echo.router.routes()]
    for method, target in [*targets, ("GET", "/nothing"), ("BREW", "/echo"), ("OPTIONS", "/")]:
        answer = client.request(method, target)
        assert (401, 'Basic realm="scrapy-do", charset="UTF-8"') == (
            answer.status,
            answer.headers["www-authenticate"],
        ), (method, target)
    assert echo.calls == []


@pytest.mark.parametrize("principal", [READER, RUNNER, PUSHER, ADMIN])
def test_roles(principal: Principal, tmp_path: Path) -> None:
    """A route is open to its role and the greater ones: READ for GET, RUN for the rest."""
    echo = Echo()
    site = site_of(echo, spool_dir=tmp_path, access=TokenAccess(TOKENS))
    client = HttpClient(site, auth=f"{principal.name}-token:")
    for route in echo.router.routes():
        files = {"archive": ("a", b"x")} if route.body.upload else None
        answer = client.request(route.method, route.pattern, files=files)
        assert answer.status == (200 if principal.role >= route.role else 403), route.name
    assert {call.principal for call in echo.calls} <= {principal}


def test_role_that_is_missing_is_named(tmp_path: Path) -> None:
    """A refusal says which role is needed and which one is there."""
    site = site_of(Echo(), spool_dir=tmp_path, access=TokenAccess(TOKENS))
    answer = HttpClient(site, auth="reader-token:").post("/echo")
    assert answer.json["message"] == "This needs the role run; reader has read"


def test_public_paths(tmp_path: Path) -> None:
    """A public path is served to nobody in particular; credentials still count there."""
    echo = Echo()
    site = site_of(echo, spool_dir=tmp_path, access=TokenAccess(TOKENS), public=["/echo", "/s/"])
    assert HttpClient(site).get("/echo").status == 200
    assert HttpClient(site).post("/echo").status == 403
    assert HttpClient(site, auth="runner-token:").post("/echo").status == 200
    assert [401, 401, 404] == [
        HttpClient(site).get(path).status for path in ("/echo/x", "/s", "/s/x")
    ]
    assert ["anonymous", "runner"] == [call.principal.name for call in echo.calls]


def test_dialect_with_credentials_of_its_own(tmp_path: Path) -> None:
    """A dialect may ask for credentials where the site asks for none."""
    own = Echo("/own", access=TokenAccess(TOKENS))
    site = site_of(Echo(), own, spool_dir=tmp_path)
    paths = ("/echo", "/own/echo", "/own/echo?apikey=reader-token")
    assert [200, 401, 200] == [HttpClient(site).get(path).status for path in paths]
