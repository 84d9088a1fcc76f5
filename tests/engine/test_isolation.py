"""What crawls are kept from, by the configuration."""

from dataclasses import replace
from pathlib import Path

import pytest

from scrapy_do.config import Config
from scrapy_do.engine.isolation import confinement_of
from scrapy_do.errors import ConfigError


def _config(data: Path, writable: Path) -> Config:
    config = Config()
    return replace(
        config,
        scrapy_do=replace(config.scrapy_do, project_store=data),
        crawls=replace(config.crawls, writable=(writable,)),
    )


@pytest.mark.parametrize("inside", ["", "jobs", "../link", "../link/jobs", "../data/./jobs/.."])
def test_what_is_hidden_is_not_to_be_written(tmp_path: Path, inside: str) -> None:
    """The data directory, by whatever name, and what lies in it are no directories for crawls."""
    data = tmp_path / "data"
    data.mkdir()
    (tmp_path / "link").symlink_to(data)

    with pytest.raises(ConfigError, match=r"\[crawls\] writable: .* SPIDER_DATA_DIR is theirs"):
        confinement_of(_config(data, data / inside))


@pytest.mark.parametrize("outside", ["..", "../database", "/"])
def test_what_may_be_written(tmp_path: Path, outside: str) -> None:
    """A directory beside or above it may be: what is hidden is then left out of it."""
    path = tmp_path / "data" / outside

    assert confinement_of(_config(tmp_path / "data", path)).writable == (path,)


def test_what_is_hidden(tmp_path: Path) -> None:
    """The passwords that were taken over, and a database elsewhere with what lies beside it."""
    config = _config(tmp_path / "data", tmp_path / "out")
    config = replace(
        config,
        scrapy_do=replace(config.scrapy_do, database=f"sqlite:///{tmp_path}/db/jobs.db"),
        web=replace(config.web, auth_db=tmp_path / "auth.db"),
    )

    hidden = confinement_of(config).hidden

    places = ("data", "db", "auth.db", "auth.db.taken-over")
    assert {tmp_path / name for name in places} <= set(hidden)
