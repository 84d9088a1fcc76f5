"""The command `scrapy-do`."""
