"""Scrapy's defaults, but for what would ask other machines."""

BOT_NAME = "measured"
SPIDER_MODULES = ["measured.spiders"]
ROBOTSTXT_OBEY = False
