"""Spiders that call the daemon which runs them, as jobs of Scrapy Cloud do."""

import os

import scrapy
from scrapinghub import ScrapinghubClient
from scrapinghub.client.exceptions import ScrapinghubAPIError


class Calls(scrapy.Spider):
    """Uses its own data, and tries what is not its own."""

    name = "calls"

    async def start(self):
        yield scrapy.Request("data:text/plain,x")

    def parse(self, response):
        client = ScrapinghubClient()
        key = os.environ["SHUB_JOBKEY"]
        job = client.get_job(key)
        project = client.get_project(key.split("/")[0])
        store = project.collections.get_store("seen")
        store.set({"_key": "x", "by": key})
        job.metadata.set("note", "from inside")
        yield {
            "state": job.metadata.get("state"),
            "seen": store.get("x"),
            "other job": self.refusal(lambda: client.get_job("1/1/99").items.list()),
            "other project": self.refusal(lambda: client.get_project(99).collections.list()),
            "run": self.refusal(lambda: project.jobs.run("calls")),
        }
        client.close()

    def refusal(self, call):
        try:
            call()
        except ScrapinghubAPIError as error:
            return type(error).__name__
        return "none"
