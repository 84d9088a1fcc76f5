"""A spider that does to the records of its run what a project may do, by accident or not."""

import asyncio
import os
import secrets
import signal
import stat
import subprocess
import sys
from pathlib import Path

from marking.spiders.marks import Marking

RECORDS = ("exit", "started", "lock")
EXIT = (
    '{"status": 0, "signal": null, "time_ms": 1000, "user_s": 0, "system_s": 0,'
    ' "max_rss_bytes": 0, "memory_kills": 0, "secret": "%s"}'
)
STARTED = (
    '{"crawl": {"pid": %d, "start_ticks": 1, "boot_id": "x"},'
    ' "holder": {"pid": %d, "start_ticks": 1, "boot_id": "x"}, "time_ms": 1, "seal": ""}'
)


def free(path):
    """Make a name free: what has it is moved aside."""
    if os.path.lexists(path):
        path.rename(path.with_name(f"{path.name}.{secrets.token_hex(4)}"))


def directory(path):
    free(path)
    (path / "below").mkdir(parents=True)


def pipe(path):
    free(path)
    os.mkfifo(path)


def link(path):
    free(path)
    path.symlink_to("/etc/passwd")


def loop(path):
    free(path)
    path.symlink_to(path.name)


def huge(path):
    free(path)
    with path.open("wb") as file:
        file.truncate(2**28)


def nonsense(path):
    free(path)
    path.write_bytes(b"[" * 10_000)


def forged(path):
    free(path)
    path.write_text(
        {"exit": EXIT % secrets.token_hex(16), "started": STARTED % (os.getpid(), os.getppid())}
        .get(path.name, "{}")
    )


def unreadable(path):
    path.touch()
    path.chmod(0)


def missing(path):
    free(path)


THINGS = (directory, pipe, link, loop, huge, nonsense, forged, unreadable, missing)


def deep(crawl):
    """Make a tree that no path is long enough for, closed to everybody here and there."""
    here = Path.cwd()
    for number in range(1500):
        os.mkdir("d")
        os.chdir("d")
        if number % 100 == 99:
            os.chmod(".", stat.S_IXUSR)
            os.chmod(".", 0o700)
    os.chdir(here)


def wide(crawl):
    for number in range(500):
        (crawl / "work" / f"{number}" / "below").mkdir(parents=True)
        (crawl / "work" / f"{number}").chmod(0)


class Vandal(Marking):
    """Damages its own run as `how` says, then ends or, with `stay`, waits."""

    name = "vandal"
    how = ""
    stay = ""

    async def start(self):
        self.run = os.environ["SCRAPY_DO_RUN"]
        self.crawl = Path.cwd().parent
        self.records = self.crawl.parent.parent / "active" / self.run
        assert (self.records / "started").exists()
        self.mark("start")
        what, _, name = self.how.partition("-")
        things = {thing.__name__: thing for thing in THINGS}
        if what in things and name in ("result",):
            things[what](self.crawl / name)
        elif what in things:
            things[what](self.records / name)
        else:
            getattr(self, what)()
        self.mark("done")
        while self.stay:
            await asyncio.sleep(0.1)
        self.mark("end")
        return
        yield

    def parent_exit(self):
        os.mkdir("../exit")

    def parent_closed(self):
        os.chmod("..", 0)

    def roots_closed(self):
        for root in (self.crawl.parent, self.records.parent, self.crawl.parent.parent):
            root.chmod(0)

    def all_closed(self):
        """Close what the daemon and all crawls share, the deepest first."""
        data = self.crawl.parent.parent.parent
        for place in ("trees/*/*/*", "trees/*/*", "trees/*", "archives/*", "*"):
            for path in data.glob(place):
                if path.is_dir() and path.name != "jobs":
                    path.chmod(0)
        data.chmod(0)

    def deep(self):
        deep(self.crawl)

    def wide(self):
        wide(self.crawl)

    def records_closed(self):
        self.records.chmod(0)

    def records_gone(self):
        self.records.rename(self.crawl / "taken")

    def records_file(self):
        free(self.records)
        self.records.touch()

    def records_link(self):
        free(self.records)
        self.records.symlink_to(self.crawl)

    def all_gone(self):
        self.records.rename(self.crawl / "taken")
        self.crawl.rename(Path(os.environ["SPIDER_DATA_DIR"]) / self.run)

    def in_the_way(self):
        directory(self.records / "exit")
        free(self.records / "exit.new")
        (self.records / "exit.new").mkdir()
        self.records.chmod(0)

    def fugitive(self):
        """Start a process that nothing but its command line shows to be of this run."""
        subprocess.Popen(
            [sys.executable, "-c", f"import time; {self.run!r}; time.sleep(600)"],
            start_new_session=True,
            env={},
        )

    def left_behind(self):
        """Leave a process that nobody knows of, kill the holder, say that all went well."""
        forged(self.records / "exit")
        free(self.records / "lock")
        (self.records / "lock").touch()
        self.fugitive()
        os.kill(os.getppid(), signal.SIGKILL)
