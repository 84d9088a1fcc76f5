"""A PostgreSQL server of the tests' own, from the programs that are installed."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine

from scrapy_do.store.database import database_url

OTHER_USER = "postgres"
"""Who runs it where we are root, which it refuses."""


def _programs() -> Path | None:
    """Where its programs are."""
    found = shutil.which("initdb")
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return Path(found).parent if found else (places[-1].parent if places else None)


@contextmanager
def server(root: Path) -> Iterator[str]:
    """Run a server that listens on a local socket; give the URL of a database, less its name."""
    given = os.environ.get("SCRAPY_DO_TEST_POSTGRESQL_URL")
    if given:
        yield given.rpartition("/")[0]
        return
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed")
    as_other = ("setpriv", "--reuid", OTHER_USER, "--regid", OTHER_USER, "--init-groups")
    prefix = as_other if os.geteuid() == 0 else ()
    place = root / "pg"
    place.mkdir()
    if prefix:
        shutil.chown(place, OTHER_USER)
        for parent in [place, *place.parents][:5]:
            parent.chmod(parent.stat().st_mode | 0o011)

    def run(*words: str) -> None:
        subprocess.run([*prefix, *words], check=True, capture_output=True, cwd=place)

    data = str(place / "data")
    run(f"{programs}/initdb", "-D", data, "-A", "trust", "-U", "tester", "-N", "-E", "UTF8")
    options = f"-c listen_addresses='' -c unix_socket_directories='{place}' -c fsync=off"
    control = f"{programs}/pg_ctl"
    run(control, "-D", data, "-w", "-l", str(place / "log"), "-o", options, "start")
    try:
        yield f"postgresql://tester@/{{name}}?host={place}"
    finally:
        run(control, "-D", data, "-m", "immediate", "stop")


def new_database(url: str) -> str:
    """Make a database; return its URL."""
    name = f"test_{uuid4().hex}"
    engine = create_engine(database_url(_named(url, "postgres")), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return _named(url, name)


def end_sessions(url: str) -> None:
    """End the sessions of everybody else, but those of one application."""
    engine = create_engine(database_url(url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
            "current_database() AND pid <> pg_backend_pid()"
        )
    engine.dispose()


def _named(url: str, name: str) -> str:
    return url.replace("{name}", name) if "{name}" in url else f"{url}/{name}"
