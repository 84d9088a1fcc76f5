"""Who may ask for what."""

import pytest

from scrapy_do.core.crawl_settings import LOADED
from scrapy_do.core.principal import Principal, Role
from scrapy_do.errors import BadArgument
from scrapy_do.operations.admission import Admission
from tests.factories import request

RUNNER = Principal(name="bob", role=Role.RUN)
ALLOWED = ("LOG_LEVEL", "DOWNLOAD_*")


def refusal(allowed: tuple[str, ...] = ALLOWED, **settings: str) -> str:
    with pytest.raises(BadArgument) as caught:
        Admission(allowed_settings=allowed).check(request(settings=settings), by=RUNNER)
    return str(caught.value)


@pytest.mark.parametrize("name", ["LOG_LEVEL", "DOWNLOAD_DELAY", "DOWNLOAD_SLOTS"])
def test_what_is_allowed(name: str) -> None:
    """The role *run* may set what the configuration allows, by name or pattern."""
    asked = request(settings={name: "1"})

    Admission(allowed_settings=ALLOWED).check(asked, by=RUNNER)


def test_what_is_not_allowed() -> None:
    """Anything else is refused, with what is allowed."""
    assert refusal(JOBDIR="/x") == (
        "setting: 'JOBDIR' may not be set by who has the role run; "
        "allowed are LOG_LEVEL, DOWNLOAD_*"
    )


@pytest.mark.parametrize("name", sorted(LOADED))
@pytest.mark.parametrize("pattern", ["*", "{}"])
def test_what_names_code(name: str, pattern: str) -> None:
    """What Scrapy loads as an object is refused, whatever pattern or name would allow it."""
    assert refusal((pattern.format(name),), **{name: "x.y"}) == (
        f"setting: {name!r} names code and may not be set by who has the role run"
    )


@pytest.mark.parametrize("role", [Role.PUSH, Role.ADMIN])
@pytest.mark.parametrize("name", ["JOBDIR", "DOWNLOAD_HANDLERS", "ANYTHING"])
def test_who_may_push_may_set_anything(role: Role, name: str) -> None:
    """Who may push code can choose code anyway."""
    asked = request(settings={name: "x.y"})

    Admission(allowed_settings=()).check(asked, by=Principal(name="ann", role=role))


def test_what_was_set_before() -> None:
    """Who changes something else is not asked about the settings that somebody had set before."""
    admission = Admission(allowed_settings=())
    before = request(settings={"JOBDIR": "x"})

    admission.check(request(settings={"JOBDIR": "x"}, priority=3), by=RUNNER, before=before)
    with pytest.raises(BadArgument):
        admission.check(request(settings={"JOBDIR": "y"}), by=RUNNER, before=before)
