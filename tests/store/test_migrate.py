"""How a database gets its tables, and when it is refused."""

import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from scrapy_do.core.filter import JobFilter, StateName
from scrapy_do.core.job import Outcome, Running
from scrapy_do.core.schedule import Counts, ScheduleState
from scrapy_do.errors import NewerSchema, StoreUnavailable
from scrapy_do.store.copies import KEPT
from scrapy_do.store.migrate import REVISIONS
from scrapy_do.store.removals import Removable
from scrapy_do.store.store import open_store
from tests.factories import PROCESS, at
from tests.store.inline import run_inline
from tests.store.values import FINISHED, missed

HERE = Path(__file__).parent
EMPTY_SCHEMA = (
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
    "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
)


def make(path: Path, *statements: str) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    return path


def schema_of(path: Path) -> dict[tuple[str, str], str]:
    """The text of every table and index, its blanks and quotes aside."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT type, name, sql FROM sqlite_master WHERE sql > ''")
        return {(kind, name): re.sub(r"[\s\"]+", " ", sql).strip() for kind, name, sql in rows}


def parts_of(sql: str) -> list[str]:
    """The columns and constraints of a table, in no order, and what stands around them."""
    head, _, rest = sql.partition("(")
    body, _, tail = rest.rpartition(")")
    return [head, tail, *sorted(part.strip() for part in re.split(r", (?=[A-Za-z_]+ )", body))]


def upgrade(path: Path, revision: str) -> None:
    """Make a database of an earlier schema."""
    config = Config()
    config.set_main_option("script_location", "scrapy_do.store:migrations")
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


def copies(path: Path) -> list[str]:
    return sorted(copy.name for copy in path.parent.glob(f"{path.name}.schema-*"))


def test_upgraded_is_fresh(tmp_path: Path) -> None:
    """An upgraded database has the same tables and indexes as a fresh one."""
    fresh, upgraded = tmp_path / "fresh", make(tmp_path / "upgraded", EMPTY_SCHEMA)
    for path in (fresh, upgraded):
        open_store(path).close()
    expected = {key: parts_of(sql) for key, sql in schema_of(fresh).items()}
    assert expected == {key: parts_of(sql) for key, sql in schema_of(upgraded).items()}


def test_schedules_get_places(tmp_path: Path) -> None:
    """Schedules of the first schema come before all its jobs in lists, by their last changes."""
    path = tmp_path / "db"
    upgrade(path, "0001")
    schedule = (
        "INSERT INTO schedules VALUES ('{id:032x}', 1, 's', NULL, 2, '[]', '{{}}', 'every hour',"
        " 'UTC', 0, 'active', NULL, 9, NULL, 'latest', NULL, 'skip', 0, NULL, NULL, 0, 0, 0, '',"
        " '', 0, {changed}, 'ann')"
    )
    project = "INSERT INTO projects VALUES (1, 'p', NULL, 0, 0, 0, 0)"
    changes = {1: 30, 2: 10, 3: 20}
    rows = [schedule.format(id=number, changed=at) for number, at in changes.items()]
    make(path, project, "INSERT INTO counters VALUES ('sequence', 7)", *rows)
    store = open_store(path)
    found = run_inline(store.schedules.find(JobFilter()))
    store.close()
    assert [(1, 10), (3, 9), (2, 8)] == [(one.id.int, one.sequence) for one in found]
    with closing(sqlite3.connect(path)) as connection:
        assert [(10,)] == connection.execute("SELECT value FROM counters").fetchall()


def test_revisions() -> None:
    """The revisions that we know are those that there are, in their order."""
    config = Config()
    config.set_main_option("script_location", "scrapy_do.store:migrations")
    steps = ScriptDirectory.from_config(config).walk_revisions()
    assert REVISIONS == tuple(reversed([step.revision for step in steps]))


def test_states_are_checked(tmp_path: Path) -> None:
    """The database knows exactly the states and outcomes of the core."""
    upgraded = make(tmp_path / "upgraded", EMPTY_SCHEMA)
    open_store(upgraded).close()
    sql = schema_of(upgraded)["table", "jobs"]
    for column, values in (("state", StateName), ("outcome", Outcome)):
        found = re.search(rf"CHECK \({column} IN \(([^)]*)\)\)", sql)
        assert found is not None
        assert ", ".join(f"'{value}'" for value in values) == found[1]


def test_copy_before_upgrade(tmp_path: Path) -> None:
    """Before an upgrade the database is copied, its newest changes included."""
    path = make(tmp_path / "db", EMPTY_SCHEMA, "PRAGMA journal_mode = WAL")
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE kept (answer)")
        other.execute("INSERT INTO kept VALUES (42)")
        other.commit()
        open_store(path).close()
    assert ["db.schema-0000.000001"] == copies(path)
    with closing(sqlite3.connect(tmp_path / "db.schema-0000.000001")) as copy:
        assert [(42,)] == copy.execute("SELECT answer FROM kept").fetchall()


def test_few_copies(tmp_path: Path) -> None:
    """Only the newest copies are kept, and an unfinished one is made anew."""
    path = tmp_path / "db"
    make(tmp_path / ".db.unfinished", "CREATE TABLE half (done)")
    for number in range(1, KEPT + 3):
        path.unlink(missing_ok=True)
        make(path, EMPTY_SCHEMA)
        open_store(path).close()
        assert f"db.schema-0000.{number:06}" == copies(path)[-1]
    assert KEPT == len(copies(path))
    assert not (tmp_path / ".db.unfinished").exists()


def test_current_is_left_alone(tmp_path: Path) -> None:
    """A database of the present schema is neither copied nor changed."""
    path = tmp_path / "db"
    open_store(path).close()
    before = schema_of(path)
    open_store(path).close()
    assert (before, []) == (schema_of(path), copies(path))


@pytest.mark.live
def test_no_alembic(tmp_path: Path) -> None:
    """A program whose database is new or current does not carry Alembic in its memory."""
    program = """
import sys
from pathlib import Path
from scrapy_do.store.removals import Removable
from scrapy_do.store.store import open_store
for _ in range(2):
    open_store(Path(sys.argv[1])).close()
print("alembic" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "db")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "False" == done.stdout.strip()


def test_private(tmp_path: Path) -> None:
    """Only its owner may read a new database."""
    path = tmp_path / "db"
    open_store(path).close()
    assert 0o600 == path.stat().st_mode & 0o777


def test_newer(tmp_path: Path) -> None:
    """A database that a newer version wrote is refused with a sentence, and not touched."""
    path = make(tmp_path / "db", EMPTY_SCHEMA, "INSERT INTO alembic_version VALUES ('9999')")
    before = schema_of(path)
    with pytest.raises(NewerSchema, match="schema 9999, written by a newer version"):
        open_store(path)
    assert (before, []) == (schema_of(path), copies(path))


def test_foreign(tmp_path: Path) -> None:
    """The database of another program is refused, and not touched."""
    path = make(tmp_path / "db", "CREATE TABLE jobs (id)")
    before = schema_of(path)
    with pytest.raises(StoreUnavailable, match="another program"):
        open_store(path)
    assert before == schema_of(path)


def test_failed_upgrade(tmp_path: Path) -> None:
    """An upgrade that fails half-way leaves the database as it was."""
    path = make(tmp_path / "db", EMPTY_SCHEMA, "CREATE TABLE schedules (id)")
    before = schema_of(path)
    with pytest.raises(Exception, match="table schedules already exists"):
        open_store(path)
    assert before == schema_of(path)


@pytest.mark.parametrize("damage", ["text", "header", "page", "truncated"])
def test_damaged(tmp_path: Path, damage: str) -> None:
    """A damaged file is refused at the start, and not touched."""
    path = tmp_path / "db"
    store = open_store(path)
    run_inline(store.meta.put("scope", {f"key {n}": "x" * 500 for n in range(100)}))
    store.close()
    content = path.read_bytes()
    damaged = {
        "text": b"this is no database\n" * 300,
        "header": b"X" * 100 + content[100:],
        "page": content[:-4096] + b"\xff" * 4096,
        "truncated": content[: len(content) // 2],
    }[damage]
    path.write_bytes(damaged)
    with pytest.raises(StoreUnavailable, match=r"damaged|cannot be trusted"):
        open_store(path)
    assert damaged == path.read_bytes()


def rows_of(path: Path) -> dict[str, list[dict[str, object]]]:
    """All that is in the tables of a database, in the order of its text."""
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        return {
            name: sorted(
                (dict(row) for row in connection.execute(f"SELECT * FROM {name}")), key=str
            )
            for (name,) in tables.fetchall()
            if name != "alembic_version"
        }


@pytest.mark.parametrize(
    ("revision", "filled"), [("0001", {"removals", "counters"}), ("0004", set[str]())]
)
def test_from_earlier_schemas(tmp_path: Path, revision: str, filled: set[str]) -> None:
    """A database that an earlier program has left becomes as a fresh one, with every row in it."""
    path, fresh = tmp_path / "db", tmp_path / "fresh"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((HERE / f"schema-{revision}.sql").read_text())
    before = rows_of(path)
    open_store(path).close()

    assert [f"db.schema-{revision}.000001"] == copies(path)
    after = rows_of(path)
    for name, rows in before.items():
        columns = rows[0].keys() if rows else ()
        kept = [{column: row[column] for column in columns} for row in after[name]]
        assert rows == kept or name in filled
    open_store(fresh).close()
    expected = {key: parts_of(sql) for key, sql in schema_of(fresh).items()}
    assert expected == {key: parts_of(sql) for key, sql in schema_of(path).items()}


def test_what_earlier_programs_wrote(tmp_path: Path) -> None:
    """Jobs in all states and schedules with their events are read and changed as before."""
    path = tmp_path / "db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((HERE / "schema-0004.sql").read_text())
    store = open_store(path)
    counted = run_inline(store.jobs.counts_by_state())
    assert set(StateName) == {state for state, jobs in counted.items() if jobs}
    reported = run_inline(store.jobs.get(UUID(int=4)))
    assert Running(since=at(4), attempt=1, process=PROCESS) == reported.state
    assert (3, 9, at(30)) == (
        reported.progress.items,
        reported.progress.log_lines,
        reported.progress.reported_at,
    )
    ended = run_inline(
        store.jobs.save(replace(reported, state=FINISHED, changed_at=at(60)), expected=reported)
    )
    assert FINISHED == ended.state
    fired, paused, broken = sorted(
        run_inline(store.schedules.find(JobFilter())), key=lambda one: one.id
    )
    assert (Counts(fired=1, missed=2), at(7200)) == (fired.counts, fired.next_due)
    assert (ScheduleState.PAUSED, 7) == (paused.state, paused.policies.max_runs)
    assert "the project is gone" == broken.error
    assert [missed(fired, 10)] == run_inline(store.schedules.events(fired.id, limit=9))
    store.close()


def test_from_the_first_schema(tmp_path: Path) -> None:
    """What a daemon of the first schema has removed is known to be so after the upgrade."""
    path = tmp_path / "db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((HERE / "schema-0001.sql").read_text())
        rows = connection.execute("SELECT id, state FROM jobs ORDER BY id").fetchall()
    store = open_store(path)

    assert [UUID(job_id) for job_id, _ in rows] == sorted(
        job.id for job in run_inline(store.jobs.find(JobFilter()))
    )
    assert ["good"] == [project.name for project in run_inline(store.projects.all())]
    (removed,) = set(run_inline(store.removals.all(Removable.ARCHIVE))) - run_inline(
        store.projects.archives_in_use()
    )
    assert removed.startswith("e0d8dbdd")
    assert ["marking"] == run_inline(store.removals.all(Removable.SPIDER_DATA))
    store.close()
