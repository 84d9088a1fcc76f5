"""What the demo does: a daemon, a site, a project, its jobs, and what came of them."""

import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

import click

from scrapy_do import __version__
from scrapy_do.client.browser import has_desktop, show_page
from scrapy_do.client.errors import UserError
from scrapy_do.client.http import DaemonClient
from scrapy_do.client.names import short
from scrapy_do.client.output import Output
from scrapy_do.client.settings import DEFAULT_URL
from scrapy_do.demo.daemon import daemon
from scrapy_do.demo.history import seed_history
from scrapy_do.demo.progress import Progress, progress_display
from scrapy_do.demo.site import BOOKS, OFFERS_FOUND, QUOTES, DemoSite

PROJECT = "quotesbot"
PROJECT_DIR = Path(__file__).with_name("project")
EXPECTED_ITEMS = {"books": BOOKS, "toscrape-css": QUOTES, "flaky": OFFERS_FOUND}
ENDLESS = "endless"

_SCHEDULE = "every 2 minutes"
_FINAL = frozenset({"SUCCESSFUL", "FAILED", "CANCELED"})
_CRAWL_LIMIT_S = 120.0
_LOOK_AGAIN_S = 0.2
_SHOWN_ITEMS = 3
_SHOWN_LOG_LINES = 5


def show(out: Output, *, once: bool, port: int, keep: Path | None, may_open: bool) -> None:
    """Run the demo.

    Raises:
        UserError: something did not work, or with `once` a job did not end as it should.
    """
    signal.signal(signal.SIGTERM, _leave)
    with ExitStack() as stack:
        directory = stack.enter_context(_directory(keep))
        site = stack.enter_context(DemoSite())
        options = {
            "SCRAPY_DO_CRAWLS_ENVIRONMENT": f"QUOTESBOT_SITE={site.url}",
            "SCRAPY_DO_CRAWLS_REPORT_INTERVAL": "0.5",
        }
        out.passing("a daemon is started ...")
        with out.waiting():
            seed_history(directory / "data", PROJECT, site.url, datetime.now(UTC))
            url = stack.enter_context(daemon(directory / "data", port=port, options=options))
        out.passing("")
        click.echo(f"Scrapy Do {__version__}: see {url}/ui/")
        click.echo(f"  daemon  {url}  (data in {directory})")
        click.echo(f"  site    {site.url}")
        if may_open and not once and sys.stdout.isatty() and has_desktop(os.environ):
            show_page(f"{url}/ui/")
        client = DaemonClient(url)
        _push(client, directory)
        jobs = _run_all(client)
        _show_results(client, jobs)
        schedule_id = _schedule(client)
        if once:
            _check(jobs)
            click.echo("\nAll jobs ended as they should.")
        else:
            _order(client, ENDLESS, "now")
            _show_commands(url, schedule_id)
            _wait_for_the_end()


def _leave(_signal: int, _frame: FrameType | None) -> None:
    """End by an exception, so that the daemon is stopped and its data removed."""
    raise SystemExit(128 + signal.SIGTERM)


@contextmanager
def _directory(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.absolute()
        return
    directory = Path(tempfile.mkdtemp(prefix="scrapy-do-demo-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def _push(client: DaemonClient, directory: Path) -> None:
    """Pack the demo project and push it."""
    archive = directory / f"{PROJECT}.zip"
    pack(PROJECT_DIR, archive)
    answer = client.push(archive)
    click.echo(f"\nPushed {answer['name']} with the spiders {', '.join(answer['spiders'])}")


def pack(project_dir: Path, archive: Path) -> None:
    """Write the sources of a project into a zip file."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        for path in sorted(project_dir.rglob("*")):
            if path.suffix in {".py", ".cfg"}:
                target.write(path, path.relative_to(project_dir))


def _run_all(client: DaemonClient) -> Mapping[str, dict[str, Any]]:
    """Run the spiders that end by themselves, and wait; return the jobs by spider."""
    click.echo("\nRunning them:")
    spiders = {_order(client, spider, "now")["identifier"]: spider for spider in EXPECTED_ITEMS}
    deadline = time.monotonic() + _CRAWL_LIMIT_S
    pause = threading.Event()
    with progress_display(on_terminal=sys.stdout.isatty()) as show_progress:
        while True:
            jobs = {identifier: _job(client, identifier) for identifier in spiders}
            show_progress({name: _progress(job) for name, job in jobs.items()})
            if all(job["status"] in _FINAL for job in jobs.values()):
                return {spiders[identifier]: job for identifier, job in jobs.items()}
            if time.monotonic() > deadline:
                raise UserError(
                    f"the jobs have not ended after {_CRAWL_LIMIT_S:.0f} s",
                    try_="scrapy-do demo --keep DIR",
                )
            pause.wait(_LOOK_AGAIN_S)


def _order(client: DaemonClient, spider: str, when: str) -> dict[str, Any]:
    form = [("project", PROJECT), ("spider", spider), ("when", when)]
    return client.post("/schedule-job.json", form)


def _job(client: DaemonClient, identifier: str) -> dict[str, Any]:
    job: dict[str, Any] = client.get("/list-jobs.json", {"id": identifier})["jobs"][0]
    return job


def _progress(job: Mapping[str, Any]) -> Progress:
    return Progress(
        spider=job["spider"],
        state=job["status"],
        items=job["items"] or 0,
        expected_items=EXPECTED_ITEMS[job["spider"]],
    )


def _show_results(client: DaemonClient, jobs: Mapping[str, Mapping[str, Any]]) -> None:
    """Show the first items of one job and the end of its log."""
    identifier = jobs["books"]["identifier"]
    click.echo("\nThe first items of books:")
    for line in client.lines(f"/get-items/data/{identifier}.jsonl")[:_SHOWN_ITEMS]:
        click.echo(f"  {json.dumps(json.loads(line), ensure_ascii=False)}")
    click.echo("The end of its log:")
    for line in client.lines(f"/get-log/data/{identifier}.err")[-_SHOWN_LOG_LINES:]:
        click.echo(f"  {line}")


def _schedule(client: DaemonClient) -> str:
    """Give a schedule and show its next times."""
    answer = _order(client, "toscrape-css", _SCHEDULE)
    click.echo(f'\nScheduled toscrape-css "{_SCHEDULE}"; its next times:')
    for instant in answer["next-runs"][:3]:
        click.echo(f"  {instant}")
    return str(answer["identifier"])


def _check(jobs: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse jobs that ended in another way than they should."""
    wrong = [
        f"{spider} ended {job['status']} ({job['outcome-reason']}) with {job['items']} items "
        f"instead of {EXPECTED_ITEMS[spider]}"
        for spider, job in jobs.items()
        if (job["status"], job["items"]) != ("SUCCESSFUL", EXPECTED_ITEMS[spider])
    ]
    if wrong:
        raise UserError("; ".join(wrong), try_="scrapy-do demo --keep DIR")


def _show_commands(url: str, schedule_id: str) -> None:
    program = "scrapy-do" if url == DEFAULT_URL else f"scrapy-do --url {url}"
    commands = (
        f"{program} status",
        f"{program} run books -p {PROJECT} -f",
        f"{program} logs flaky@last --level warning",
        f"{program} schedule rm {short(schedule_id)}",
        f'curl -s "{url}/list-jobs.json?status=COMPLETED"',
    )
    click.echo(f"\nThe daemon goes on; its pages are at {url}/ui/. In another terminal, try:")
    for command in commands:
        click.echo(f"  {command}")
    click.echo("\nCtrl-C ends the demo.")


def _wait_for_the_end() -> None:
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        click.echo("\nStopping the daemon ...")
