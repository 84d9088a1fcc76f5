"""Spiders that write down what they do where no daemon can change it."""

import asyncio
import os
import signal
import subprocess
import sys
import time

import scrapy


class Marking(scrapy.Spider):
    """Appends a line to `file` at its start, its end and when it is closed.

    A line holds the word, the run, the process and the time; it is one write.
    """

    file = ""

    def mark(self, word):
        line = f"{word} {os.environ['SCRAPY_DO_RUN']} {os.getpid()} {time.time_ns()}\n"
        descriptor = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        os.write(descriptor, line.encode())
        os.close(descriptor)
        print(line, end="", flush=True)

    def closed(self, reason):
        self.mark(f"closed:{reason}")


class Marker(Marking):
    """Yields `items` items, waits `seconds` between two lines of output, ends as told."""

    name = "marker"
    seconds = "0"
    items = "3"
    end = "finish"

    async def start(self):
        self.mark("start")
        for number in range(int(self.items)):
            yield {"number": number}
        await asyncio.sleep(float(self.seconds))
        self.mark("end")
        if self.end == "exit":
            os._exit(3)
        if self.end == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)


class Ticker(Marking):
    """Prints a numbered line every 20 ms, `lines` in all."""

    name = "ticker"
    lines = "100"

    async def start(self):
        self.mark("start")
        for number in range(int(self.lines)):
            print("tick", number, flush=True)
            await asyncio.sleep(0.02)
        self.mark("end")
        return
        yield


class Family(Marking):
    """Has a browser-like child with children, in sessions of their own, and waits; deaf if told."""

    name = "family"
    deaf = ""

    async def start(self):
        if self.deaf:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        waiting = "import time; time.sleep(600)"
        grandparent = (
            "import subprocess, sys, time;"
            f"subprocess.Popen([sys.executable, '-c', {waiting!r}], start_new_session=True);"
            f"subprocess.Popen([sys.executable, '-c', {waiting!r}]);"
            "print('ready', flush=True);"
            "time.sleep(600)"
        )
        child = subprocess.Popen(
            [sys.executable, "-c", grandparent], stdout=subprocess.PIPE, start_new_session=True
        )
        child.stdout.readline()
        self.mark("start")
        while True:
            await asyncio.sleep(3600)
        yield


class Hoarder(Marking):
    """Takes ever more memory, 10 MB at a time, and holds it."""

    name = "hoarder"

    async def start(self):
        self.mark("start")
        hoard = []
        while True:
            hoard.append(b"x" * 10_000_000)
            await asyncio.sleep(0.05)
        yield
