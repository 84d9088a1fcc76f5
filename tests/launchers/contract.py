"""What every launcher must do, the fake one included. Subclasses say which, by `harness`."""

import pytest

from scrapy_do.errors import BadArchive, LaunchFailed
from scrapy_do.launchers.interface import Alive, NeverStarted, SpiderList
from tests.launchers.harness import Harness, on_reactor


class LauncherContract:
    """The promises of `launchers/interface.py`."""

    @on_reactor
    async def test_a_crawl_ends_by_itself(self, harness: Harness) -> None:
        """A spider that ends gives an exit with status 0 and Scrapy's own close reason."""
        crawl = await harness.launch("noop")
        ending = await crawl.ended

        assert not crawl.is_ending()
        assert (
            ending.status,
            ending.signal,
            ending.lost,
            ending.opened,
            ending.close_reason,
        ) == (0, None, None, True, "finished")

    @on_reactor
    async def test_a_crawl_knows_its_process(self, harness: Harness) -> None:
        """A launched crawl carries its job, its attempt and the identity of its process."""
        spec = harness.spec("sleeper", attempt=3)
        crawl = await harness.launcher.launch(spec)

        assert (spec.order.job_id, 3) == (crawl.job_id, crawl.attempt)
        assert not crawl.is_ending()
        assert crawl.process is not None
        assert crawl.process.pid > 1

    @on_reactor
    async def test_a_polite_stop_closes_the_spider(self, harness: Harness) -> None:
        """A crawl that is asked to stop closes its spider; asking twice changes nothing."""
        crawl = await harness.launch("sleeper")
        await harness.heard(crawl)
        crawl.ask_to_stop()
        crawl.ask_to_stop()
        ending = await crawl.ended

        assert (ending.status, ending.close_reason) == (0, "shutdown")

    @on_reactor
    async def test_a_deaf_crawl_is_killed(self, harness: Harness) -> None:
        """A crawl that ignores the polite stop is ended by `kill`, which may be repeated."""
        crawl = await harness.launch("stubborn")
        await harness.heard(crawl)
        crawl.ask_to_stop()
        assert not crawl.ended.called
        crawl.kill()
        crawl.kill()
        ending = await crawl.ended

        assert ending.signal == 9

    @on_reactor
    async def test_after_the_end_nothing_more_happens(self, harness: Harness) -> None:
        """Stopping and killing a crawl that is over is harmless."""
        crawl = await harness.launch("noop")
        ending = await crawl.ended
        crawl.ask_to_stop()
        crawl.kill()

        assert ending.status == 0

    @on_reactor
    async def test_an_attempt_is_started_once(self, harness: Harness) -> None:
        """A second launch of the same attempt gives the crawl of the first, or is refused."""
        spec = harness.spec("sleeper")
        crawl = await harness.launcher.launch(spec)
        try:
            again = await harness.launcher.launch(spec)
        except LaunchFailed:
            again = crawl

        assert again.process == crawl.process
        assert not crawl.ended.called

    @on_reactor
    async def test_reports_arrive(self, harness: Harness) -> None:
        """The reports of a crawl reach the callback."""
        crawl = await harness.launch("sleeper")
        report = await harness.heard(crawl)

        assert (crawl.job_id, crawl.attempt) == (report.job_id, report.attempt)

    @on_reactor
    async def test_a_crawl_survives_its_launcher(self, harness: Harness) -> None:
        """A crawl that was left is found alive by the next launcher, which can end it."""
        spec = harness.spec("sleeper")
        process = (await harness.launcher.launch(spec)).process
        (found,) = await harness.restart()

        assert isinstance(found, Alive)
        assert (spec.placement.run_dir, spec.order.job_id, spec.order.attempt, process) == (
            found.run_dir,
            found.crawl.job_id,
            found.crawl.attempt,
            found.crawl.process,
        )
        found.crawl.kill()
        assert (await found.crawl.ended).signal == 9

    @on_reactor
    async def test_a_directory_without_a_start_is_fenced(self, harness: Harness) -> None:
        """A run directory whose holder never came is fenced: no holder may come later."""
        spec = harness.spec("noop")

        assert (NeverStarted(run_dir=spec.placement.run_dir),) == await harness.restart()

    @on_reactor
    async def test_stop_ends_what_runs(self, harness: Harness) -> None:
        """Stopping without leaving crawls ends them all; then nothing is launched any more."""
        crawls = [await harness.launch("stubborn"), await harness.launch("sleeper")]
        await harness.launcher.stop(leave_crawls=False)

        assert [(await crawl.ended).signal for crawl in crawls] == [9, 9]
        with pytest.raises(LaunchFailed):
            await harness.launch("noop")

    @on_reactor
    async def test_spiders_are_listed(self, harness: Harness) -> None:
        """The spiders of a project are listed, whatever it prints at import."""
        request = harness.spiders_request("talking")

        assert SpiderList(names=("loud",)) == await harness.launcher.spiders(request)

    @on_reactor
    async def test_a_broken_project_is_refused(self, harness: Harness) -> None:
        """A project that cannot be imported is a bad archive, with the last line of its error."""
        request = harness.spiders_request("broken")
        with pytest.raises(BadArchive, match="Unable to get the list of spiders: ModuleNotFound"):
            await harness.launcher.spiders(request)
