"""What every store tells the controller of jobs, and what it forgets."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from scrapy_do.core.filter import JobFilter, StateName
from scrapy_do.core.job import Driver, Outcome, Pending, Running, Starting, StopCause, Stopping
from scrapy_do.core.transitions import Claimed, Delete, Fenced, advance
from scrapy_do.store.counters import JobCounters
from scrapy_do.store.store import Store
from tests.factories import at, request
from tests.store.values import FINISHED, Run, new, version


class QueueContract:
    """See `contract`."""

    @pytest.mark.usefixtures("pushed")
    def test_active(self, store: Store, run: Run) -> None:
        """Active are the started and stopping jobs of our own, not of clients."""
        running = Running(since=at(1), attempt=1, process=None)
        starting = Starting(since=at(1), attempt=1)
        stopping = Stopping(
            since=at(2),
            started=None,
            attempt=1,
            cause=StopCause.CANCEL,
            reason="cancelled",
            process=None,
        )
        run(
            store.jobs.add_all(
                [
                    new(1),
                    new(4, running),
                    new(3, starting),
                    new(2, stopping),
                    new(5, running, driver=Driver.CLIENT),
                    new(6, FINISHED),
                ]
            )
        )
        active = [job.id.int for job in run(store.jobs.active())]
        assert [2, 3, 4] == active

    def add_queue(self, store: Store, run: Run) -> None:
        """Pending jobs of two projects."""
        run(store.projects.put_version(version("other")))
        other, xpath = {"project": "other"}, {"spider": "toscrape-xpath"}
        run(
            store.jobs.add_all(
                [
                    new(1, request=request(priority=1)),
                    new(4),
                    new(3),
                    new(5, request=request(priority=3, **xpath)),
                    new(6, request=request(**other)),
                    new(7, Pending(since=at(7), not_before=at(100)), request=request(priority=4)),
                    new(8, driver=Driver.CLIENT, request=request(priority=4)),
                    new(9, Starting(since=at(9), attempt=1)),
                ]
            )
        )

    @pytest.mark.usefixtures("pushed")
    @pytest.mark.parametrize(
        ("expected", "asked"),
        [
            ([5, 3, 6], {"per_project": 2}),
            ([5, 3, 4, 6, 1], {"per_project": 9}),
            ([6], {"per_project": 9, "full_projects": {"quotesbot"}}),
            ([3, 6], {"per_project": 1, "full_spiders": {("quotesbot", "toscrape-xpath")}}),
            ([5, 6], {"per_project": 1, "full_spiders": {("other", "toscrape-xpath")}}),
            ([], {"per_project": 9, "full_projects": {"quotesbot", "other"}}),
        ],
    )
    def test_pending(
        self, store: Store, run: Run, expected: Sequence[int], asked: dict[str, Any]
    ) -> None:
        """Of each project the first due jobs, highest priority first, then the oldest."""
        self.add_queue(store, run)
        assert expected == [job.id.int for job in run(store.jobs.pending(at(99), **asked))]

    @pytest.mark.usefixtures("pushed")
    def test_not_before(self, store: Store, run: Run) -> None:
        """A job that waits for an instant is due then, and the instant is told before."""
        self.add_queue(store, run)
        assert at(100) == run(store.jobs.next_not_before(at(99)))
        assert run(store.jobs.next_not_before(at(100))) is None
        due = run(store.jobs.pending(at(100), per_project=1))
        assert UUID(int=7) == due[0].id

    @pytest.mark.usefixtures("pushed")
    def test_fenced_job_is_pending_again(self, store: Store, run: Run) -> None:
        """A job that comes back keeps its age in the queue."""
        first, second = run(store.jobs.add_all([new(1), new(2)]))
        claimed = run(store.jobs.save(advance(first, Claimed(), now=at(3)), expected=first))
        run(store.jobs.save(advance(claimed, Fenced(), now=at(4)), expected=claimed))
        due = [job.id for job in run(store.jobs.pending(at(9), per_project=9))]
        assert [first.id, second.id] == due

    @pytest.mark.usefixtures("pushed")
    def test_counters_survive_pruning(self, store: Store, run: Run) -> None:
        """The totals count each end once and outlive the jobs."""
        ends = [
            replace(FINISHED, outcome=outcome, started=started)
            for outcome, started in (
                (Outcome.SUCCESSFUL, at(1)),
                (Outcome.FAILED, at(1)),
                (Outcome.FAILED, None),
                (Outcome.LOST, at(1)),
                (Outcome.CANCELED, None),
            )
        ]
        jobs = run(store.jobs.add_all([new(n, state) for n, state in enumerate(ends)]))
        gone = [(advance(job, Delete(by="ann"), now=at(99)), job) for job in jobs[:2]]
        run(store.jobs.save_all(gone))
        expected = JobCounters(run=3, successful=1, failed=2, canceled=1, lost=1)
        assert expected == run(store.overview()).ended
        assert {StateName.FINISHED: 3, StateName.DELETED: 2} == run(store.jobs.counts_by_state())
        run(store.jobs.delete([job.id for job in jobs]))
        assert expected == run(store.overview()).ended
        assert {} == run(store.jobs.counts_by_state())
        assert {} == run(store.jobs.counts_by_state(1))

    @pytest.mark.usefixtures("pushed")
    def test_delete(self, store: Store, run: Run) -> None:
        """Jobs that our controller still attends are not deleted; tags go with their job."""
        tagged = request(tags=("t", "u"))
        run(
            store.jobs.add_all(
                [
                    new(1, FINISHED, request=tagged),
                    new(2, request=tagged),
                    new(3, driver=Driver.CLIENT),
                ]
            )
        )
        deleted = run(store.jobs.delete([UUID(int=number) for number in range(5)]))
        assert {UUID(int=1), UUID(int=3)} == set(deleted)
        left = run(store.jobs.find(JobFilter(tags_any=("t", "u"))))
        assert [UUID(int=2)] == [job.id for job in left]
        assert 1 == run(store.jobs.count(JobFilter(tags_any=("t", "u"))))

    @pytest.mark.usefixtures("pushed")
    def test_prunable(self, store: Store, run: Run) -> None:
        """Each rule names the ended jobs beyond it, oldest first; active ones stay."""
        xpath = request(spider="toscrape-xpath")
        ends = [replace(FINISHED, since=at(60 + n)) for n in range(6)]
        run(
            store.jobs.add_all(
                [
                    *(new(n, ends[n]) for n in range(4)),
                    *(new(n, ends[n], request=xpath) for n in (4, 5)),
                    new(6),
                ]
            )
        )

        def prunable(**rules: Any) -> list[int]:
            return [job_id.int for job_id in run(store.jobs.prunable(**rules))]

        assert [] == prunable()
        assert [0, 1] == prunable(older_than=at(62))
        assert [] == prunable(older_than=at(60))
        assert [0, 1, 2, 4] == prunable(per_spider=1)
        assert [0, 1, 2] == prunable(per_spider=1, limit=3)
        assert [] == prunable(per_spider=4)
        assert [0, 1] == prunable(in_all=4)
        assert [0] == prunable(in_all=0, limit=1)
        assert [] == prunable(in_all=6)
