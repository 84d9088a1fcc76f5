"""The store on a SQLite file with its threads, as the daemon uses it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred, gatherResults

from scrapy_do.core.filter import JobFilter
from scrapy_do.core.job import Job
from scrapy_do.core.transitions import Claimed, advance
from scrapy_do.errors import DuplicateJob, StaleJob
from scrapy_do.store.store import Store, open_store
from tests.factories import at
from tests.store.contract import StoreContract
from tests.store.threads import ThreadReactor
from tests.store.values import Run, new, version

pytestmark = pytest.mark.live


class TestFileStore(StoreContract):
    """See the contract."""

    @pytest.fixture
    def reactor(self) -> ThreadReactor:
        return ThreadReactor()

    @pytest.fixture
    def run(self, reactor: ThreadReactor) -> Run:
        return reactor.run

    @pytest.fixture
    def store(self, tmp_path: Path, reactor: ThreadReactor) -> Iterator[Store]:
        store = open_store(tmp_path / "db", reactor=reactor)
        yield store
        store.close()

    @pytest.mark.usefixtures("pushed")
    def test_one_of_many_claims_wins(self, store: Store, run: Run) -> None:
        """Of many who claim one job at once one gets it; the others are told."""
        job = run(store.jobs.add(new()))
        claimed = advance(job, Claimed(), now=at(5))

        async def claim() -> Job | None:
            try:
                return await store.jobs.save(claimed, expected=job)
            except StaleJob:
                return None

        async def all_together() -> list[Job | None]:
            claims = [Deferred.fromCoroutine(claim()) for _ in range(20)]
            return list(await gatherResults(claims))

        winners = [won for won in run(all_together()) if won is not None]
        assert [run(store.jobs.get(job.id))] == winners

    @pytest.mark.usefixtures("pushed")
    def test_one_of_many_unique_jobs_wins(self, store: Store, run: Run) -> None:
        """Of many jobs with one unique value, added at once, one is accepted."""

        async def add(number: int) -> bool:
            try:
                await store.jobs.add(new(number, unique="u"))
            except DuplicateJob:
                return False
            return True

        async def all_together() -> list[bool]:
            adds = [Deferred.fromCoroutine(add(number)) for number in range(20)]
            return list(await gatherResults(adds))

        assert 1 == sum(run(all_together()))
        assert 1 == run(store.jobs.count(JobFilter()))


def test_kept(tmp_path: Path) -> None:
    """What was acknowledged is there after the store was opened again."""
    reactor = ThreadReactor()
    store = open_store(tmp_path / "db", reactor=reactor)
    reactor.run(store.projects.put_version(version()))
    job = reactor.run(store.jobs.add(new()))
    store.close()
    again = open_store(tmp_path / "db", reactor=reactor)
    assert job == reactor.run(again.jobs.get(job.id))
    again.close()
