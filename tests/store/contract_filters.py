"""How every store lists and counts jobs."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from scrapy_do.core.filter import ACTIVE_STATES, JobFilter, StateName, states
from scrapy_do.core.job import Finished, Job, JobKey, Outcome
from scrapy_do.core.transitions import Delete, advance
from scrapy_do.store.store import Store
from tests.factories import at, request
from tests.store.values import FINISHED, SPIDERS, Run, new, version


class FilterContract:
    """See `contract`."""

    def add_crowd(self, store: Store, run: Run) -> list[Job]:
        """Jobs of two projects in all states; returned newest change first."""
        run(store.projects.put_version(version("other")))
        made = [
            new(
                number,
                replace(FINISHED, since=at(number)) if number % 2 else None,
                request=request(
                    project=["quotesbot", "other"][number % 3 == 0],
                    spider=SPIDERS[number % 4 == 0],
                    tags=tuple(tag for tag, n in _TAGS.items() if number % n == 0),
                ),
            )
            for number in range(1, 25)
        ]
        jobs = run(store.jobs.add_all(made))
        over = [job for job in jobs if isinstance(job.state, Finished)][:3]
        gone = [(advance(job, Delete(by="ann"), now=at(50)), job) for job in over]
        moved = run(store.jobs.save_all(gone))
        left = [job for job in jobs if job.id not in {job.id for job in moved}]
        return sorted([*left, *moved], key=lambda job: -job.sequence)

    @pytest.mark.usefixtures("pushed")
    @pytest.mark.parametrize(
        "wanted",
        [
            JobFilter(),
            JobFilter(states=frozenset(StateName)),
            JobFilter(states=ACTIVE_STATES),
            JobFilter(states=ACTIVE_STATES, project="other"),
            JobFilter(states=states(StateName.FINISHED), outcomes=frozenset({Outcome.FAILED})),
            JobFilter(outcomes=frozenset({Outcome.SUCCESSFUL}), spider="toscrape-css"),
            JobFilter(project="quotesbot", spider="toscrape-xpath"),
            JobFilter(project="nowhere"),
            JobFilter(project="other", project_id=1),
            JobFilter(spider="nobody"),
            JobFilter(project_id=2, spider_number=1),
            JobFilter(tags_any=("even",)),
            JobFilter(tags_any=("even", "third", "third"), project="quotesbot"),
            JobFilter(tags_none=("even",)),
            JobFilter(tags_none=("even", "third"), states=frozenset(StateName)),
            JobFilter(tags_any=("third",), tags_none=("even",), states=ACTIVE_STATES),
            JobFilter(tags_any=("even", "fifth"), skip=2, limit=3),
            JobFilter(changed_from=at(10), changed_before=at(20)),
            JobFilter(tags_any=("even",), changed_from=at(10), changed_before=at(20)),
            JobFilter(after=12, limit=4),
            JobFilter(after=12, tags_any=("third",)),
            JobFilter(skip=20),
            JobFilter(limit=None),
            JobFilter(skip=3, limit=None),
            JobFilter(limit=0),
            JobFilter(ids=(UUID(int=3), UUID(int=4), UUID(int=99)), tags_any=("even",)),
            JobFilter(ids=()),
            JobFilter(
                keys=(
                    JobKey(project=1, spider=1, number=2),
                    JobKey(project=2, spider=2, number=1),
                    JobKey(project=9, spider=9, number=9),
                )
            ),
            JobFilter(schedule_id=UUID(int=1)),
        ],
    )
    def test_filters(self, store: Store, run: Run, wanted: JobFilter) -> None:
        """Lists and counts have the jobs that match, newest change first, page by page."""
        crowd = self.add_crowd(store, run)
        every = [job for job in crowd if matches(job, wanted)]
        assert page(every, wanted) == run(store.jobs.find(wanted))
        assert len(every) == run(store.jobs.count(wanted))
        assert [len(every)] * 2 == run(store.jobs.counts([wanted, replace(wanted, skip=3)]))


_TAGS = {"even": 2, "third": 3, "fifth": 5}


def matches(job: Job, wanted: JobFilter) -> bool:
    """Whether a job matches a filter, its page aside: the plain meaning of every field."""
    state: Any = job.state
    outcome = getattr(getattr(state, "finished", state), "outcome", None)
    tags = set(job.request.tags)
    return all(
        (
            StateName(type(state).__name__.lower()) in wanted.states,
            wanted.outcomes is None or outcome in wanted.outcomes,
            wanted.project in {None, job.request.project},
            wanted.project_id in {None, job.key.project},
            wanted.spider in {None, job.request.spider},
            wanted.spider_number in {None, job.key.spider},
            not wanted.tags_any or bool(tags & set(wanted.tags_any)),
            not tags & set(wanted.tags_none),
            wanted.changed_from is None or job.changed_at >= wanted.changed_from,
            wanted.changed_before is None or job.changed_at < wanted.changed_before,
            wanted.ids is None or job.id in wanted.ids,
            wanted.keys is None or job.key in wanted.keys,
            wanted.schedule_id in {None, job.schedule_id},
        )
    )


def page(jobs: Sequence[Job], wanted: JobFilter) -> list[Job]:
    """The page of matching jobs, given newest first."""
    rest = [job for job in jobs if wanted.after is None or job.sequence < wanted.after]
    last = None if wanted.limit is None else wanted.skip + wanted.limit
    return rest[wanted.skip : last]
