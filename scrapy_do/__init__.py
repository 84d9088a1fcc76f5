"""Scrapy Do: run and schedule Scrapy spiders on your own machines."""

__version__ = "1.0.0.dev0"
