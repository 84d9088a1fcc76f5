"""A daemon with something of everything, for pages to show."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from tests.live.running import Running, until

MARKUP = '<img src=x onerror="window.ran=1"><script>window.ran=1</script>\'"</td></pre>'

STRANGE = "../s t%2e/\u202eturned\u2028<b>&amp\u200b"
"""The name of a spider of `tests/projects/hostile`."""


class Seeded:
    """A running daemon; `ids` are its jobs by a word, `schedules` its schedules."""

    def __init__(self, daemon: Running, root: Path) -> None:
        self.daemon = daemon
        daemon.push("good", root)
        daemon.push("hostile", root)
        hostile = f"m{MARKUP}"
        arg = f"a<b>=1={MARKUP}"
        ids = {
            "good": daemon.run("pages", tag="eu", arg="category=books"),
            "before": daemon.run("pages", tag="eu", arg="category=books"),
            "failed": daemon.run("exits", arg="status=3"),
            "hostile": daemon.run(hostile, project="hostile", arg=arg, description=f"x{MARKUP}"),
            "strange": daemon.run(STRANGE, project="hostile", arg=arg),
            "cancelled": daemon.run("sleeper"),
        }
        daemon.until_status(ids["cancelled"], "RUNNING")
        daemon.ask("/cancel-job.json", id=ids["cancelled"])
        for job in ids.values():
            daemon.finished(job)
        ids["running"] = daemon.run("sleeper")
        daemon.until_status(ids["running"], "RUNNING")
        for _ in range(2):  # the other slots
            ids["held"] = daemon.run("sleeper")
            daemon.until_status(ids["held"], "RUNNING")
        ids["queued"] = daemon.run("sleeper")
        answer = daemon.ask(
            "/schedule-job.json", project="good", spider="pages", when="every day at 03:30"
        )
        ids["schedule"] = answer["identifier"]
        self.ids: Mapping[str, str] = MappingProxyType(ids)

    def url(self, path: str) -> str:
        """The address of a page; `{word}` in the path is a job."""
        return self.daemon.url + path.format(**self.ids)


__all__ = ["MARKUP", "Seeded", "until"]
