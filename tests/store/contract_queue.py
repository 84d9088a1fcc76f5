"""What every store tells the controller of jobs, and what it forgets."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from scrapy_do.core.filter import JobFilter, StateName
from scrapy_do.core.job import (
    Driver,
    Outcome,
    Pending,
    Running,
    Starting,
    StopCause,
    Stopping,
)
from scrapy_do.core.transitions import Claimed, Delete, Fenced, Lost, Started, advance
from scrapy_do.protocol.facts import Progress
from scrapy_do.store.counters import JobCounters
from scrapy_do.store.jobs_query import MANY
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
        for one in (
            new(1, request=request(priority=1)),
            new(4),
            new(3),
            new(5, request=request(priority=3, **xpath)),
            new(6, request=request(**other)),
            new(7, Pending(since=at(7), not_before=at(100)), request=request(priority=4)),
            new(8, driver=Driver.CLIENT, request=request(priority=4)),
            new(9, Starting(since=at(9), attempt=1)),
        ):
            run(store.jobs.add(one))

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
        assert at(100) == run(store.jobs.in_hand(at(99)))[1]
        assert run(store.jobs.in_hand(at(100)))[1] is None
        due = run(store.jobs.pending(at(100), per_project=1))
        assert UUID(int=7) == due[0].id

    @pytest.mark.usefixtures("pushed")
    def test_known_jobs_in_hand(self, store: Store, run: Run) -> None:
        """Of many jobs that were known those are read again that have moved, reported, or begun."""
        running = Running(since=at(9), attempt=1, process=None)
        run(store.jobs.add_all([new(number, running) for number in range(1, MANY + 3)]))
        known = run(store.jobs.in_hand(at(99)))[0]
        ended, moved, told, *same = known
        run(store.jobs.save(replace(ended, state=FINISHED), expected=ended))
        stopping = Stopping(
            since=at(10),
            started=at(9),
            attempt=1,
            cause=StopCause.CANCEL,
            reason="cancelled",
            process=None,
        )
        run(store.jobs.save(replace(moved, state=stopping), expected=moved))
        run(store.jobs.record_progress({told.id: Progress(items=1, reported_at=at(11))}))
        run(store.jobs.add(new(99, running)))

        jobs = run(store.jobs.in_hand(at(99), known))[0]

        assert jobs == run(store.jobs.active())
        assert [job.id.int for job in jobs if not any(job is one for one in known)] == [2, 3, 99]
        assert len(jobs) == len(same) + 3

    @pytest.mark.usefixtures("pushed")
    def test_moments_strictly_increase(self, store: Store, run: Run) -> None:
        """Moves that come together are a millisecond apart in each project, in their order."""
        run(store.projects.put_version(version("other")))
        spiders = ("toscrape-xpath", "toscrape-css", "toscrape-xpath")
        together = [
            new(number, Pending(since=at(5)), created_at=at(5), request=request(spider=spider))
            for number, spider in enumerate(spiders, start=1)
        ]
        elsewhere = new(9, Pending(since=at(5)), created_at=at(5), request=request(project="other"))
        jobs = run(store.jobs.add_all([together[0], elsewhere, *together[1:]]))
        assert [at(5), at(5), at(5.001), at(5.002)] == [job.created_at for job in jobs]
        assert all(job.created_at == job.changed_at == job.state.since for job in jobs)
        waiting = run(store.jobs.pending(at(9), per_project=9))
        assert [1, 9, 2, 3] == [job.id.int for job in waiting]
        pairs = [(advance(job, Claimed(), now=at(5.001)), job) for job in (jobs[3], jobs[0])]
        claimed = run(store.jobs.save_all(pairs))
        assert [at(5.003), at(5.004)] == [job.changed_at for job in claimed]
        assert [at(5.002), at(5)] == [job.created_at for job in claimed]
        later = run(store.jobs.save(advance(jobs[2], Claimed(), now=at(8)), expected=jobs[2]))
        assert (at(8), at(8)) == (later.changed_at, later.state.since)

    @pytest.mark.usefixtures("pushed")
    @pytest.mark.parametrize(("back_s", "moment_s"), [(0.5, 100.001), (0.999, 100.001), (1, 99)])
    def test_moments_after_the_clock_was_set_back(
        self, store: Store, run: Run, back_s: float, moment_s: float
    ) -> None:
        """A last moment far ahead is left behind: time does not stand still until then."""
        first = run(store.jobs.add(new(1, Pending(since=at(100)), created_at=at(100))))
        now = at(100 - back_s)
        second = run(store.jobs.add(new(2, Pending(since=now), created_at=now)))
        assert (at(100), at(moment_s)) == (first.created_at, second.created_at)

    @pytest.mark.usefixtures("pushed")
    def test_moments_of_a_state(self, store: Store, run: Run) -> None:
        """Only what shows the moment of a move moves along: a start stays where it was."""
        job = run(store.jobs.add(new(1, Pending(since=at(5)), created_at=at(5))))
        starting = run(store.jobs.save(advance(job, Claimed(), now=at(5)), expected=job))
        started = advance(starting, Started(process=None), now=at(5))
        running = run(store.jobs.save(started, expected=starting))
        lost = advance(running, Lost(reason="gone"), now=at(5))
        ended = run(store.jobs.save(lost, expected=running))
        assert [at(5.001), at(5.002), at(5.003)] == [
            one.state.since for one in (starting, running, ended)
        ]
        assert (at(5), at(5.002)) == (ended.created_at, ended.state.started)

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
