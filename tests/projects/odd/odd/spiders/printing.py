"""Spiders that print, and that die."""

import ctypes
import faulthandler
import logging
import logging.handlers
import multiprocessing
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import traceback

import scrapy


class Constructed(scrapy.Spider):
    """Dies in its constructor."""

    name = "constructed"

    def __init__(self, **kwargs):
        raise ValueError("no spider today")


class Printing(scrapy.Spider):
    """Prints in every way there is, with lines of the log between."""

    name = "printing"

    async def start(self):
        print("print one")
        self.logger.info("log one")
        print("print two\n\n  print three")
        sys.stdout.buffer.write("print ž \udc80\n".encode("utf-8", "surrogatepass"))
        sys.stdout.flush()
        os.write(1, b"descriptor\n")
        subprocess.run(["sh", "-c", "echo a child; echo its error >&2"], check=True)
        print("print four")
        self.logger.info("log two")
        print("half a line", end="", file=sys.stderr)
        self.logger.info("log three")
        try:
            raise ValueError("printed")
        except ValueError:
            traceback.print_exc()
        self.logger.error("log four")
        print("the end", end="")
        return
        yield


class Logging(scrapy.Spider):
    """Logs through handlers of its own, to both streams and in another thread."""

    name = "logging"

    async def start(self):
        lines = queue.Queue()
        listener = logging.handlers.QueueListener(lines, logging.StreamHandler())
        listener.start()
        own = logging.getLogger("own")
        own.addHandler(logging.StreamHandler(sys.stdout))
        own.addHandler(logging.handlers.QueueHandler(lines))
        for number in range(50):
            own.info("line %d", number)
            print("print", number)
        listener.stop()
        return
        yield


class Dying(scrapy.Spider):
    """Logs, prints, and dies as `way` says."""

    name = "dying"

    async def start(self):
        self.logger.info("a last line")
        print("last words", file=sys.stderr)
        print("last output")
        getattr(self, self.way)()
        yield

    def kill(self):
        os.kill(os.getpid(), signal.SIGKILL)

    def leave(self):
        os._exit(3)

    def exit(self):
        sys.exit(4)

    def crash(self):
        faulthandler.enable()
        ctypes.string_at(0)


class Parental(scrapy.Spider):
    """Has children that log: forked, with all that their parent has."""

    name = "parental"

    async def start(self):
        self.logger.info("before")
        child = multiprocessing.get_context("fork").Process(target=self.logger.error, args=("of a child",))
        child.start()
        child.join()
        self.logger.info("after")
        return
        yield


class Late(scrapy.Spider):
    """Has a thread that says something after the crawl is over."""

    name = "late"

    async def start(self):
        threading.Thread(target=self.say).start()
        return
        yield

    def say(self):
        while self.crawler.crawling:
            time.sleep(0.01)
        time.sleep(0.1)
        self.logger.error("a late line")
        print("a late print")
