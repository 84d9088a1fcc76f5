"""What every store says of itself in numbers."""

from scrapy_do.core.filter import StateName
from scrapy_do.store.counters import JobCounters
from scrapy_do.store.overview import Overview
from scrapy_do.store.store import Store
from tests.factories import request
from tests.store.values import FINISHED, Run, new, order, version


class OverviewContract:
    """See `contract`."""

    def test_nothing_there(self, store: Store, run: Run) -> None:
        """An empty store has nothing of anything."""
        expected = Overview(jobs={}, ended=JobCounters(), projects=0, spiders=0, standing=0)
        assert expected == run(store.overview())

    def test_overview(self, store: Store, run: Run) -> None:
        """What was removed does not count, but jobs that have ended do for ever."""
        run(store.projects.put_version(version()))
        run(store.projects.put_version(version(spiders=("another", "toscrape-css"))))
        run(store.projects.put_version(version("gone", spiders=("toscrape-css", "two", "three"))))
        run(store.jobs.add_all([new(1), new(2), new(3, FINISHED, request=request(project="gone"))]))
        run(store.schedules.add(order()))
        run(store.jobs.delete([new(3).id]))
        run(store.projects.remove("gone"))
        assert Overview(
            jobs={StateName.PENDING: 2},
            ended=JobCounters(run=1, successful=1),
            projects=1,
            spiders=2,
            standing=1,
        ) == run(store.overview())
