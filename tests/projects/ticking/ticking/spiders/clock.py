"""A spider that logs so many lines a second, with number and time in ms; every tenth is an item."""

import asyncio
import time

import scrapy


class Clock(scrapy.Spider):
    name = "clock"
    rate = 20
    seconds = 10

    async def start(self):
        rate, begin = int(self.rate), time.monotonic()
        total = rate * int(self.seconds)
        number = 0
        while number < total:
            due = min(total, int((time.monotonic() - begin) * rate))
            while number < due:
                number += 1
                self.logger.info("tick %d at %d", number, time.time_ns() // 1_000_000)
                if number % 10 == 0:
                    yield {"tick": number}
            await asyncio.sleep(0.02)
