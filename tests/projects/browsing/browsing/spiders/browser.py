"""A spider that works as those with a browser do: another program, spoken to by pipes."""

import asyncio
import json
import signal
import sys

import scrapy

_BROWSER = """
import json, signal, sys
print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    print(json.dumps({"rendered": json.loads(line)["url"].upper()}), flush=True)
signal.pause()
"""


class Browser(scrapy.Spider):
    name = "browser"

    async def start(self):
        yield scrapy.Request("data:text/plain,x")

    async def parse(self, response):
        browser = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _BROWSER),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        ready = json.loads(await browser.stdout.readline())
        browser.stdin.write(json.dumps({"url": response.url}).encode() + b"\n")
        answer = json.loads(await browser.stdout.readline())
        in_thread = await asyncio.to_thread(lambda: sum(range(10)))
        short = await asyncio.create_subprocess_shell("exit 3")
        browser.send_signal(signal.SIGTERM)
        yield {
            **ready,
            **answer,
            "thread": in_thread,
            "short": await asyncio.wait_for(short.wait(), 10),
            "end": await asyncio.wait_for(browser.wait(), 10),
        }
