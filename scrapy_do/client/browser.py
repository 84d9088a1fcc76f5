"""Showing a page in the user's browser."""

import subprocess
import sys
import threading
from collections.abc import Mapping


def has_desktop(environ: Mapping[str, str]) -> bool:
    """Whether there is a desktop on which a browser could open."""
    return sys.platform in {"darwin", "win32"} or any(
        environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )


def show_page(address: str) -> None:
    """Open a page, and do not wait. Where that is not possible nothing happens.

    The browser is in a session of its own: a Ctrl-C that is meant for us does not end it.
    """
    try:
        browser = subprocess.Popen(  # noqa: S603 - constant words and an address of ours
            [sys.executable, "-m", "webbrowser", address],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return
    threading.Thread(target=browser.wait, daemon=True).start()
