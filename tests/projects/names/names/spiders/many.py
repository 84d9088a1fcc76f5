"""Spiders with names that are legal for Scrapy."""

import scrapy

NAMES = ("ok", "ok.2-x_y", "-option", "two\nlines", "../../x", "a/b", "ünicode", "", "n\0l", "x" * 5000)

for number, name in enumerate(NAMES):
    globals()[f"Spider{number}"] = type(f"Spider{number}", (scrapy.Spider,), {"name": name, "__module__": __name__})
