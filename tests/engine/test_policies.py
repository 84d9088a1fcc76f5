"""The configuration, in the words of those who use it."""

from collections.abc import Mapping

import pytest

from scrapy_do.config import Config, CrawlConfig, ProjectConfig
from scrapy_do.engine.policies import (
    crawl_limits_of,
    environment_of,
    environment_to_start_with,
    has_cloud_access,
    start_method_of,
)
from scrapy_do.protocol.wire import CrawlLimits, StartMethod

GIB = 1 << 30


@pytest.mark.parametrize(
    ("general", "own", "method"),
    [
        ("fork", None, StartMethod.FORK),
        ("spawn", None, StartMethod.SPAWN),
        ("fork", "spawn", StartMethod.SPAWN),
        ("spawn", "fork", StartMethod.FORK),
    ],
)
def test_the_launcher_of_a_project(general: str, own: str | None, method: StartMethod) -> None:
    """A project's own launcher wins over the general one."""
    config = Config(
        crawls=CrawlConfig(launcher=general),  # type: ignore[arg-type]  # one of the two words
        projects={"books": ProjectConfig(launcher=own)},  # type: ignore[arg-type]  # likewise
    )

    assert start_method_of(config, "books") is method


def test_a_project_that_is_not_configured() -> None:
    """A project without a section is started as all are."""
    assert start_method_of(Config(), "books") is StartMethod.FORK


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, {"PATH": "/bin:/usr/bin", "LANG": "C.UTF-8"}),
        (
            {"PATH": "/opt", "LANG": "de_DE", "TZ": "UTC", "LC_ALL": "C", "SECRET": "s"},
            {"PATH": "/opt", "LANG": "de_DE", "TZ": "UTC"},
        ),
    ],
)
def test_the_environment_without_grants(
    environ: Mapping[str, str], expected: Mapping[str, str]
) -> None:
    """Of the daemon's own variables a crawl sees three, with defaults for two."""
    assert environment_of(Config(), environ, "books") == expected


def test_grants() -> None:
    """General grants come before those of the project."""
    config = Config(
        crawls=CrawlConfig(environment={"A": "general", "B": "general"}),
        projects={"books": ProjectConfig(environment={"B": "own"})},
    )
    environ = {"PATH": "/bin", "LANG": "C"}

    assert environment_of(config, environ, "books") == {**environ, "A": "general", "B": "own"}
    assert environment_of(config, environ, "news") == {**environ, "A": "general", "B": "general"}


def test_limits_of_a_crawl() -> None:
    """The defaults are limits; 0 is none."""
    assert crawl_limits_of(Config()) == CrawlLimits(
        open_files=1024, file_size_bytes=GIB, log_bytes=100 << 20
    )
    unlimited = CrawlConfig(open_files=0, file_size_bytes=0, log_size_bytes=0)
    assert crawl_limits_of(Config(crawls=unlimited)) == CrawlLimits()


@pytest.mark.parametrize("general", [True, False])
@pytest.mark.parametrize("own", [True, False, None])
def test_who_may_call_the_daemon(*, general: bool, own: bool | None) -> None:
    """What a project says wins over what holds for all; by default none may."""
    config = Config(
        crawls=CrawlConfig(cloud_access=general),
        projects={"books": ProjectConfig(cloud_access=own)},
    )

    assert has_cloud_access(config, "books") is (general if own is None else own)
    assert has_cloud_access(config, "others") is general
    assert has_cloud_access(Config(), "books") is False


def test_no_secret_of_the_daemon_starts_an_interpreter() -> None:
    """What is handed on is named, so nothing else is: crawls could look it up."""
    handed = {"PATH": "/bin", "TZ": "UTC", "LC_ALL": "C", "LD_LIBRARY_PATH": "/opt/lib"}
    secret = {"SCRAPY_DO_WEB_TOKEN": "x", "AWS_SECRET_ACCESS_KEY": "x", "HOME": "/root"}

    assert environment_to_start_with({**handed, **secret}) == handed
