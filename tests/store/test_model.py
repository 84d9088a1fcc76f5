"""Random jobs, moves and filters, compared with the plain meaning of each."""

from collections import Counter
from dataclasses import replace
from functools import partial
from random import Random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from scrapy_do.core.filter import JobFilter, StateName
from scrapy_do.core.job import Deleted, Finished, Job, Outcome, Pending, Running, Starting, Stopping
from scrapy_do.core.transitions import (
    Cancel,
    Claimed,
    Delete,
    Event,
    Exited,
    Fenced,
    Started,
    advance,
)
from scrapy_do.store import tables
from scrapy_do.store.store import Store, open_store
from tests.factories import PROCESS, at, ending, request
from tests.store.contract_filters import matches, page
from tests.store.inline import run_inline as run
from tests.store.values import FINISHED, SPIDERS, new, version

PROJECTS = ("quotesbot", "other")
TAGS = ("a", "b", "c")
STATES = (
    None,
    Running(since=at(1), attempt=1, process=PROCESS),
    FINISHED,
    replace(FINISHED, outcome=Outcome.FAILED),
    Deleted(since=at(70), by="ann", finished=FINISHED),
)


def fresh_store() -> Store:
    store = open_store("sqlite://")
    for project in PROJECTS:
        run(store.projects.put_version(version(project)))
    return store


made = st.tuples(
    st.sampled_from(STATES),
    st.sampled_from(PROJECTS),
    st.sampled_from(SPIDERS),
    st.lists(st.sampled_from(TAGS), max_size=3),
)

tags = st.lists(st.sampled_from((*TAGS, "none")), max_size=2).map(tuple)

filters = st.builds(
    JobFilter,
    states=st.frozensets(st.sampled_from(StateName), min_size=1),
    outcomes=st.none() | st.frozensets(st.sampled_from(Outcome), min_size=1),
    project=st.none() | st.sampled_from((*PROJECTS, "none")),
    project_id=st.none() | st.integers(1, 3),
    spider=st.none() | st.sampled_from((*SPIDERS, "none")),
    spider_number=st.none() | st.integers(1, 3),
    tags_any=tags,
    tags_none=tags,
    changed_from=st.none() | st.integers(0, 9).map(at),
    changed_before=st.none() | st.integers(0, 9).map(at),
    ids=st.none() | st.lists(st.integers(0, 9).map(lambda n: UUID(int=n)), max_size=5).map(tuple),
    after=st.none() | st.integers(0, 12),
    skip=st.integers(0, 3),
    limit=st.none() | st.integers(0, 9),
)


@settings(max_examples=12, deadline=None, database=None, derandomize=True)
@given(crowd=st.lists(made, max_size=10), wanted=st.lists(filters, min_size=20, max_size=20))
def test_filters(crowd: list[Any], wanted: list[JobFilter]) -> None:
    """Any filter over any jobs finds and counts what a plain search does."""
    store = fresh_store()
    jobs = run(
        store.jobs.add_all(
            [
                new(
                    number,
                    state and replace(state, since=at(number)),
                    request=request(project=project, spider=spider, tags=tuple(of_job)),
                )
                for number, (state, project, spider, of_job) in enumerate(crowd)
            ]
        )
    )
    jobs.reverse()
    for asked in wanted:
        every = [job for job in jobs if matches(job, asked)]
        assert page(every, asked) == run(store.jobs.find(asked)), asked
        assert len(every) == run(store.jobs.count(asked)), asked
    store.close()


def events_of(job: Job) -> list[Event]:
    """What may happen to a job next."""
    by = "ann"
    match job.state:
        case Pending():
            return [Claimed(), Cancel(by=by)]
        case Starting():
            return [Started(process=PROCESS), Fenced(), Cancel(by=by)]
        case Running() | Stopping():
            return [Exited(ending=ending()), Exited(ending=ending(signal=9)), Cancel(by=by)]
        case Finished():
            return [Delete(by=by)]
    return []


@pytest.mark.parametrize("seed", range(4))
def test_side_tables(seed: int) -> None:
    """Whatever happens, counts and tags say the same as the jobs themselves."""
    random = Random(seed)  # the seed is in the test's name
    store = fresh_store()
    jobs: dict[UUID, Job] = {}
    for number in range(60):
        if not jobs or random.random() < 0.3:
            asked = request(tags=tuple(random.choices(TAGS, k=random.randrange(3))))
            added = run(store.jobs.add(new(number, request=asked)))
            jobs[added.id] = added
            continue
        job = random.choice(list(jobs.values()))
        if random.random() < 0.2:
            asked = replace(job.request, tags=tuple(random.choices(TAGS, k=2)))
            jobs[job.id] = run(store.jobs.edit(job.id, partial(replace, request=asked)))
        elif isinstance(job.state, Deleted):
            assert [job.id] == run(store.jobs.delete([job.id]))
            del jobs[job.id]
        else:
            moved = advance(job, random.choice(events_of(job)), now=at(number))
            jobs[job.id] = run(store.jobs.save(moved, expected=job))
        check_side_tables(store, list(jobs.values()))
    store.close()


def check_side_tables(store: Store, jobs: list[Job]) -> None:
    expected = sorted(jobs, key=lambda job: -job.sequence)
    assert expected == run(store.jobs.find(JobFilter(states=frozenset(StateName))))
    states = Counter(StateName(type(job.state).__name__.lower()) for job in jobs)
    assert dict(states) == run(store.jobs.counts_by_state())
    columns = (tables.job_tags.c.tag, tables.job_tags.c.sequence, tables.job_tags.c.state)
    rows = store._database.read_now(lambda connection: connection.execute(select(*columns)).all())
    assert {
        (tag, job.sequence, type(job.state).__name__.lower())
        for job in jobs
        for tag in job.request.tags
    } == {tuple(row) for row in rows}
