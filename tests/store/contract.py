"""What every store does, whichever database it is on.

`TestX(StoreContract)` in a test module gives the two fixtures: `store`, an empty one, and
`run`, which runs a coroutine to its end.
"""

import pytest

from scrapy_do.core.project import Version
from scrapy_do.store.store import Store
from tests.store.contract_accounts import AccountContract
from tests.store.contract_filters import FilterContract
from tests.store.contract_jobs import JobContract
from tests.store.contract_overview import OverviewContract
from tests.store.contract_projects import ProjectContract
from tests.store.contract_queue import QueueContract
from tests.store.contract_schedules import ScheduleContract
from tests.store.values import Run, version


class StoreContract(
    ProjectContract,
    JobContract,
    QueueContract,
    ScheduleContract,
    FilterContract,
    OverviewContract,
    AccountContract,
):
    """All of it; `pushed` is the one version of a project."""

    @pytest.fixture
    def pushed(self, store: Store, run: Run) -> Version:
        _, stored = run(store.projects.put_version(version()))
        assert isinstance(stored, Version)
        return stored
