"""What a job has written, and whether more may come."""

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from scrapy_do.core.job import Finished, Job
from scrapy_do.operations.outputs import OutputStream
from scrapy_do.store.jobs import Jobs
from tests.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.put_project()
    return world.start()


class MeanwhileJobs(Jobs):
    """A store in which something happens each time after a job was read, before that is told."""

    meanwhile: tuple[Callable[[], object], ...] = ()

    async def get(self, job_id: UUID) -> Job:
        job = await super().get(job_id)
        for happen in self.meanwhile[:1]:
            self.meanwhile = self.meanwhile[1:]
            happen()
        return job


def test_an_end_while_output_is_asked_for(world: World) -> None:
    """A job that ends just after it was read is not followed: nobody would tell its end again."""
    job_id = world.enqueue()
    world.store.jobs = jobs = MeanwhileJobs(world.store.jobs._database)
    before = world.do(world.outputs.log(job_id, OutputStream.OUT))
    was_live = before.is_live()
    jobs.meanwhile = (lambda: None, world.launcher.crawl_of(job_id).finish)

    output = world.do(world.outputs.log(job_id, OutputStream.OUT))

    assert isinstance(world.state(job_id), Finished)
    assert (was_live, before.is_live(), output.is_live()) == (True, False, False)
