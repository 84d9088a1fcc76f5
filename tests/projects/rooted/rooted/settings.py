"""Reads a file beside scrapy.cfg as it is imported, as many projects do."""

from pathlib import Path

BOT_NAME = "rooted"
SPIDER_MODULES = ["rooted.spiders"]
WORDS = Path("list.txt").read_text().split()
HERE = Path(__file__).resolve().parents[1]
assert (HERE / "data" / "large.txt").is_file()
