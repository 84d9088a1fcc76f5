"""Makes the pictures of the README from the demo: `python -m tools.screenshots`.

A daemon, the site and the project of the demo, some runs that lie behind and one that goes on, and
Debian's Chromium that looks at it, light and dark. Takes about two minutes. Look at the pictures
before they are committed.
"""

import shutil
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from scrapy_do.client.http import DaemonClient
from scrapy_do.demo.daemon import daemon
from scrapy_do.demo.history import seed_history
from scrapy_do.demo.run import PROJECT, PROJECT_DIR, pack
from scrapy_do.demo.site import DemoSite
from tests.browser.browsing import ARGUMENTS

TARGET = Path(__file__).parent.parent / "docs" / "img"
MOST_BYTES = 120_000
SIZE = {"width": 1280, "height": 860}

_FORMER = 6
_SLOWLY = ("DOWNLOAD_DELAY=0.4", "CONCURRENT_REQUESTS=1")
_NOWHERE = "site=http://127.0.0.1:9"
_AGE_S = 15.0
_LONGEST_S = 180.0
_SCHEDULES = {
    "books": ("every day at 03:30", "Europe/Zurich"),
    "toscrape-css": ("every 2 hours", "UTC"),
    "flaky": ("every monday at 07:00", "UTC"),
}


def main() -> None:
    """Make the pictures."""
    TARGET.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        site = stack.enter_context(DemoSite())
        options = {
            "SCRAPY_DO_CRAWLS_ENVIRONMENT": f"QUOTESBOT_SITE={site.url}",
            "SCRAPY_DO_CRAWLS_REPORT_INTERVAL": "0.5",
            "SCRAPY_DO_SCRAPY_DO_TIMEZONE": "UTC",
        }
        seed_history(directory / "data", PROJECT, site.url, datetime.now(UTC))
        url = stack.enter_context(daemon(directory / "data", port=0, options=options))
        client = DaemonClient(url)
        pack(PROJECT_DIR, directory / "project.zip")
        client.push(directory / "project.zip")
        running = _fill(client)
        playwright = stack.enter_context(sync_playwright())
        chromium = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=[*ARGUMENTS])
        _shoot(browser, {"job": f"{url}/ui/jobs/{running}", "overview": f"{url}/ui/"})
        browser.close()


def _fill(client: DaemonClient) -> str:
    """Let crawls run, well and badly; return one that goes on and is some seconds old."""
    for spider, (when, zone) in _SCHEDULES.items():
        _order(client, spider, when=when, timezone=zone)
    for spider in ("toscrape-css", "flaky"):
        _order(client, spider)
    _order(client, "toscrape-css", arg=[_NOWHERE])
    for _ in range(_FORMER):
        _order(client, "books", arg=["shelf=fiction"], setting=_SLOWLY)
    _wait(client)
    running: str = _order(client, "books", arg=["shelf=fiction"], setting=_SLOWLY, tag=["eu"])
    time.sleep(_AGE_S)
    return running


def _order(client: DaemonClient, spider: str, **more: Any) -> str:  # noqa: ANN401 - fields
    fields: Mapping[str, Any] = {"project": PROJECT, "spider": spider, "when": "now", **more}
    form = [
        (name, one)
        for name, value in fields.items()
        for one in ([value] if isinstance(value, str) else value)
    ]
    return str(client.post("/schedule-job.json", form)["identifier"])


def _wait(client: DaemonClient) -> None:
    """Wait until nothing runs and nothing waits."""
    until = time.monotonic() + _LONGEST_S
    while time.monotonic() < until:
        status = client.get("/status.json", {})
        if not (status["jobs-running"] or status["jobs-pending"]):
            return
        time.sleep(0.5)
    raise SystemExit("the crawls have not ended")


def _shoot(browser: Browser, addresses: Mapping[str, str]) -> None:
    for name, address in addresses.items():
        for scheme in ("light", "dark"):
            page = browser.new_page(viewport=SIZE, color_scheme=scheme)  # type: ignore[arg-type]
            page.goto(address)
            page.wait_for_selector("[data-live=live]")
            page.wait_for_timeout(1000)  # charts, and what is fetched for them
            path = TARGET / f"{name}-{scheme}.png"
            page.screenshot(path=path)
            page.close()
            size_bytes = path.stat().st_size
            print(f"{path.name}: {size_bytes} bytes")
            if size_bytes > MOST_BYTES:
                raise SystemExit(f"{path} is larger than {MOST_BYTES} bytes")


if __name__ == "__main__":
    main()
