"""Prints at import, on every stream and on every descriptor it can find."""

import os
import sys

import scrapy

print("to stdout " * 100)
print("to stderr", file=sys.stderr)
for descriptor in range(3, 64):
    try:
        os.write(descriptor, b"")
    except OSError:
        pass


class Loud(scrapy.Spider):
    name = "loud"
