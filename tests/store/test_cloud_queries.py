"""What Scrapy Cloud clients need of the store, on SQLite and on PostgreSQL."""

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import create_engine, make_url

from scrapy_do.core.filter import JobFilter, StateName
from scrapy_do.core.job import Driver, Finished, Job, NewJob, Outcome, Pending, State
from scrapy_do.core.project import LARGEST_NUMBER
from scrapy_do.errors import BadArgument, DuplicateJob
from scrapy_do.store.database import database_url
from scrapy_do.store.store import Store, open_store
from tests.factories import START, at, request
from tests.store.inline import run_inline as run
from tests.store.values import version

SERVER = os.environ.get("SCRAPY_DO_TEST_POSTGRESQL_URL", "")
POSTGRESQL = pytest.param(
    "postgresql",
    marks=[
        pytest.mark.live,
        pytest.mark.skipif(not SERVER, reason="SCRAPY_DO_TEST_POSTGRESQL_URL names no server"),
    ],
)
START_MS = round(START.timestamp() * 1000)
DONE = Finished(since=START, started=None, attempt=0, outcome=Outcome.SUCCESSFUL, reason="")


@pytest.fixture(params=["sqlite", POSTGRESQL])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    if request.param == "sqlite":
        store = open_store("sqlite://")
        yield store
        store.close()
        return
    name = f"test_{uuid4().hex}"
    engine = create_engine(database_url(SERVER), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    store = open_store(make_url(SERVER).set(database=name).render_as_string(hide_password=False))
    yield store
    store.close()
    with engine.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name}")
    engine.dispose()


@pytest.fixture
def project(store: Store) -> str:
    """Return the name of project 53."""
    name: str = run(store.cloud.number_project(53, now=START)).name
    return name


def new(spider: str = "a", state: State | None = None, **fields: Any) -> NewJob:
    return NewJob(
        id=uuid4(),
        request=request(project="53", spider=spider),
        driver=Driver.CLIENT,
        state=Pending(since=START) if state is None else state,
        created_at=START,
        **fields,
    )


def keys(jobs: list[Job]) -> list[str]:
    return [str(job.key) for job in jobs]


def test_a_project_gets_its_number_once(store: Store, project: str) -> None:
    """The name is the number; asked again it is the same, and others count on from it."""
    assert project == "53"
    again = run(store.cloud.number_project(53, now=at(1)))
    assert (again.id, again.name, again.created_at) == (53, "53", START)
    assert run(store.projects.name("next", now=START)).id == 54
    assert run(store.cloud.number_project(7, now=START)).id == 7
    assert run(store.projects.name("last", now=START)).id == 55


def test_a_project_that_is_called_by_a_number_has_it(store: Store) -> None:
    """A name that is a free number takes it; one that is another project's is refused."""
    for name in ("first", "9", "07", "0", str(LARGEST_NUMBER + 1), "next"):
        run(store.projects.put_version(version(name)))
    numbers = {project.name: project.id for project in run(store.projects.all())}
    assert numbers == {
        "first": 1,
        "9": 9,
        "07": 10,
        "0": 11,
        str(LARGEST_NUMBER + 1): 12,
        "next": 13,
    }
    with pytest.raises(BadArgument, match="project: 1 is the number of the project 'first'"):
        run(store.projects.put_version(version("1")))
    run(store.projects.remove("next"))  # its jobs keep their keys
    with pytest.raises(BadArgument, match="13 is the number of the project 'next'"):
        run(store.projects.name("13", now=START))
    assert run(store.projects.put_version(version("9")))[0].id == 9
    assert sorted(numbers) == sorted(
        [*(project.name for project in run(store.projects.all())), "next"]
    )


@pytest.mark.parametrize("number", [0, -1, LARGEST_NUMBER + 1])
def test_a_bad_number_makes_nothing(store: Store, number: int) -> None:
    """It is refused."""
    with pytest.raises(BadArgument):
        run(store.cloud.number_project(number, now=START))
    assert run(store.projects.all()) == []


@pytest.mark.usefixtures("project")
def test_jobs_are_added_one_by_one(store: Store) -> None:
    """A duplicate gives its error in its place."""
    added = run(store.cloud.add_each([new(unique="u"), new(unique="u"), new("b")]))
    assert isinstance(added[1], DuplicateJob)
    assert keys([added[0], added[2]]) == ["53/1/1", "53/2/1"]


@pytest.mark.usefixtures("project")
def test_edits_follow_each_other(store: Store) -> None:
    """A job that comes twice is edited twice; unknown ones are left out."""
    [job] = run(store.cloud.add_each([new()]))

    def count(one: Job) -> Job:
        return replace(one, meta={"n": one.meta.get("n", 0) + 1})

    edits = [(job.id, count), (UUID(int=7), count), (job.id, count), (job.id, lambda one: one)]
    pairs = run(store.cloud.edit_each(edits))
    assert [(before.meta, after.meta) for before, after in pairs] == [
        ({}, {"n": 1}),
        ({"n": 1}, {"n": 2}),
        ({"n": 2}, {"n": 2}),
    ]
    assert run(store.jobs.get(job.id)).meta == {"n": 2}


@pytest.mark.usefixtures("project")
def test_an_edit_that_fails_undoes_all(store: Store) -> None:
    """What the function raises comes out, and no job has changed."""
    first, second = run(store.cloud.add_each([new(), new()]))

    def refuse(_job: Job) -> Job:
        raise BadArgument("x", "y")

    with pytest.raises(BadArgument):
        run(
            store.cloud.edit_each(
                [(first.id, lambda one: replace(one, meta={"a": 1})), (second.id, refuse)]
            )
        )
    assert run(store.jobs.get(first.id)) == first


@pytest.mark.usefixtures("project")
def test_last_finished_jobs_and_counts(store: Store) -> None:
    """Of each spider the job that finished last; of each project its states."""
    run(store.cloud.add_each([new("a", DONE), new("b", DONE), new("a", DONE), new("c")]))
    assert keys(run(store.cloud.last_finished(53))) == ["53/1/2", "53/2/1"]
    assert keys(run(store.cloud.last_finished(53, 2))) == ["53/2/1"]
    assert run(store.cloud.last_finished(53, 3)) == []
    assert run(store.cloud.counts()) == {53: {StateName.FINISHED: 3, StateName.PENDING: 1}}
    gone = run(store.jobs.find(JobFilter(spider="c")))
    run(store.jobs.delete([job.id for job in gone]))
    assert run(store.cloud.counts()) == {53: {StateName.FINISHED: 3}}


def test_a_value_is_settled_once(store: Store) -> None:
    """The first value stays."""
    assert [run(store.cloud.settled("s", "k", value)) for value in ("a", "b")] == ["a", "a"]


def test_a_log_keeps_its_order_and_its_length(store: Store) -> None:
    """Entries come back latest first, each append with a later time; the oldest go."""
    for entries in (["a", "b"], [], ["c"], ["d", "e"]):
        run(store.cloud.append("log", entries, now=START, kept=4))
    assert run(store.cloud.newest("log", 10)) == [
        (START_MS + 2, "e"),
        (START_MS + 2, "d"),
        (START_MS + 1, "c"),
        (START_MS, "b"),
    ]
    assert run(store.cloud.newest("log", 1)) == [(START_MS + 2, "e")]
    assert run(store.cloud.newest("other", 10)) == []
