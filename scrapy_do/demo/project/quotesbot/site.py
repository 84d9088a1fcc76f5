"""Where the site is that these spiders crawl."""

import os

DEFAULT = "http://127.0.0.1:8000"


def address(argument: str | None) -> str:
    """Return the spider's argument, else QUOTESBOT_SITE, else the default; no slash at its end."""
    return (argument or os.environ.get("QUOTESBOT_SITE") or DEFAULT).rstrip("/")
