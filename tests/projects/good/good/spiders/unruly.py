"""Spiders that are hard to end."""

import asyncio
import os
import signal
import subprocess
import sys
import time

import scrapy


class Waiting(scrapy.Spider):
    """Stays open until it is asked to stop."""

    async def start(self):
        self.prepare()
        while True:
            await asyncio.sleep(3600)
        yield

    def prepare(self):
        pass


class Sleeper(Waiting):
    name = "sleeper"


class Stubborn(Waiting):
    """Does not hear SIGTERM."""

    name = "stubborn"

    def prepare(self):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


class Stopped(Waiting):
    """Stops itself, so that it cannot hear anything."""

    name = "stopped"

    def prepare(self):
        os.kill(os.getpid(), signal.SIGSTOP)


class Parent(Waiting):
    """Leaves children behind that try to get away, each in its own way; `end` says what it does then."""

    name = "parent"

    def prepare(self):
        waiting = [sys.executable, "-c", "import time; time.sleep(600)"]
        subprocess.Popen(waiting)
        subprocess.Popen(waiting, start_new_session=True)
        self.double_fork()
        self.fork_deaf()
        if self.end == "exit":
            self.crawler.engine.close_spider(self, "done")
        elif self.end == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)

    def double_fork(self):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.closerange(0, 100)
                time.sleep(600)
            os._exit(0)

    def fork_deaf(self):
        if os.fork() == 0:
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)
            time.sleep(600)
            os._exit(0)


class Exits(scrapy.Spider):
    """Ends its own process, with or without an answer, before or after it is open."""

    name = "exits"

    def __init__(self, status="0", **kwargs):
        super().__init__(**kwargs)
        self.status = int(status)

    async def start(self):
        os._exit(self.status)
        yield


class Greedy(scrapy.Spider):
    """Takes memory until there is none."""

    name = "greedy"

    async def start(self):
        yield scrapy.Request("data:text/plain,x")

    def parse(self, response):
        hoard = []
        while True:
            hoard.append(bytearray(16 * 1024 * 1024))


class Flood(scrapy.Spider):
    """Prints more than it may."""

    name = "flood"

    async def start(self):
        line = "x" * 1023 + "\n"
        try:
            for _ in range(4096):
                sys.stdout.write(line)
        except OSError as error:
            yield {"refused": error.strerror}


class Closer(scrapy.Spider):
    """Closes every descriptor it can find."""

    name = "closer"

    async def start(self):
        os.closerange(3, 5000)
        return
        yield
