"""A tab of the browser that notes what goes wrong in it, and what it loads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import BrowserContext, Response

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""How Chromium is started for tests: without what it does by itself."""

_WATCH = """
window.violations = [];
addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
"""
_AXE = """async (runOnly) => {
  const found = await axe.run(document, { runOnly, resultTypes: ["violations"], preload: false });
  return found.violations.map(({ id, help, nodes }) =>
    `${id}: ${help}: ` + nodes.map(({ html }) => html.slice(0, 160)).join("; "));
}"""
EVERY_RULE = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
RULES_OF_COLOUR = ("color-contrast", "link-in-text-block")
"""What can differ between light and dark, of the same elements on a screen of the same width."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What a page has cost: bytes as they came over the wire, requests, foreign hosts."""

    wire_bytes: int
    requests: tuple[str, ...]


class Visit:
    """One tab."""

    def __init__(self, context: BrowserContext, *, is_cold: bool = False) -> None:
        """`is_cold`: everything is loaded anew with every page."""
        self.page = context.new_page()
        self.troubles: list[str] = []
        self._wire_bytes = 0
        self._requests: list[str] = []
        self.page.add_init_script(_WATCH)
        self.page.on("pageerror", lambda error: self.troubles.append(f"script: {error}"))
        self.page.on("dialog", lambda dialog: self.troubles.append(f"dialog: {dialog.message}"))
        wire = context.new_cdp_session(self.page)
        wire.send("Network.enable")
        wire.send("Network.setCacheDisabled", {"cacheDisabled": is_cold})
        wire.on("Network.loadingFinished", self._finished)
        self.page.on("request", lambda request: self._requests.append(request.url))

    def open(self, url: str) -> Response:
        """Load a page to its end."""
        self._wire_bytes = 0
        self._requests.clear()
        answer = self.page.goto(url, wait_until="load")
        assert answer is not None
        return answer

    @property
    def loaded(self) -> Loaded:
        return Loaded(wire_bytes=self._wire_bytes, requests=tuple(self._requests))

    def show(self, *, scheme: str, width: int) -> None:
        """Light or dark, on a screen of a width."""
        self.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # light, dark
        self.page.set_viewport_size({"width": width, "height": 800})

    def violations(self, rules: Sequence[str] = EVERY_RULE) -> list[str]:
        """What axe finds, going by some rules or by all rules of some kinds."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE_SCRIPT)
        found: list[str] = self.page.evaluate(_AXE, list(rules))
        return found

    def forbidden(self) -> list[str]:
        """What the policy of the page had to forbid."""
        forbidden: list[str] = self.page.evaluate("window.violations")
        return forbidden

    def sideways(self) -> int:
        """How many pixels of the page lie beside the screen."""
        return int(
            self.page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
        )

    def _finished(self, event: dict[str, Any]) -> None:
        self._wire_bytes += int(event["encodedDataLength"])
