"""Spiders that read and write in the directory of their project."""

import os
import signal
import sys
import time
from pathlib import Path

import scrapy

BEGUN = time.time()
TOP = Path(__file__).resolve().parents[2]


class Reading(scrapy.Spider):
    """Yields what it finds; its class reads a file."""

    name = "reading"
    start_urls = ["data:text/plain,x"]
    custom_settings = {"ITEM_PIPELINES": {"rooted.pipelines.Nothing": 1}}
    with open("list.txt") as lines:
        words = lines.read().split()

    def parse(self, response):
        yield {
            "words": self.words,
            "settings": self.settings.getlist("WORDS"),
            "shared": Path("shared.txt").read_text(),
            "seen": sorted(path.name for path in TOP.iterdir()),
            "here": str(TOP) == os.getcwd(),
            "compiled": os.stat(sys.modules["rooted.pipelines"].__cached__).st_ctime < BEGUN,
        }


class Writing(scrapy.Spider):
    """Writes wherever a project may, and ends as it is told."""

    name = "writing"
    start_urls = ["data:text/plain,x"]
    custom_settings = {
        "FEEDS": {"out/items.json": {"format": "json"}},
        "HTTPCACHE_ENABLED": True,
    }

    def parse(self, response):
        (TOP / "seen.db").write_text("seen")
        with open("shared.txt", "a") as shared:
            shared.write("changed\n")
        Path("data", "large.txt").write_text("changed")
        Path("shots").mkdir()
        Path("shots", "page <1>.html").write_text("<script>alert(1)</script>")
        Path(".scrapy", "state").write_text("kept")
        os.symlink("/etc/passwd", "passwd")
        os.mkfifo("pipe")
        yield {"text": response.text}
        end = getattr(self, "end", "finish")
        if end == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if end == "fail":
            os._exit(3)
        while end == "wait":
            time.sleep(0.1)


class Resuming(scrapy.Spider):
    """Fetches ten pages one after another, and can go on where it was interrupted."""

    name = "resuming"
    custom_settings = {
        "JOBDIR": "crawls/resuming",
        "CONCURRENT_REQUESTS": 1,
    }

    async def start(self):
        if self.state.get("begun"):
            return
        self.state["begun"] = True
        for number in range(10):
            yield scrapy.Request(f"data:text/plain,{number}")

    def parse(self, response):
        if getattr(self, "pause", None):
            time.sleep(float(self.pause))
        yield {"page": response.text}
