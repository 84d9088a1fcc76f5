"""Spiders that do to logging what one should not."""

import logging
import logging.config

import scrapy


class Disturbing(scrapy.Spider):
    """Disturbs logging as `way` says, then logs a line of each level, and an error in a callback."""

    name = "disturbing"

    def __init__(self, way, **kwargs):
        super().__init__(**kwargs)
        getattr(self, way)()

    def force(self):
        logging.basicConfig(force=True)

    def configure(self):
        logging.config.dictConfig({"version": 1, "disable_existing_loggers": True})

    def disable(self):
        logging.disable(logging.CRITICAL)

    def strip(self):
        logging.root.handlers.clear()
        logging.root.setLevel(logging.CRITICAL)

    def leave(self):
        pass

    async def start(self):
        self.logger.info("an info line")
        self.logger.error("an error line")
        return
        yield


class Filing(Disturbing):
    """Sends its log to the file that `path` names, by its own settings."""

    name = "filing"

    @classmethod
    def update_settings(cls, settings):
        super().update_settings(settings)
        settings.set("LOG_FILE", settings.get("FILING_PATH"), priority="spider")


class Quiet(Disturbing):
    """Wants to hear of nothing."""

    name = "quiet"
    custom_settings = {"LOG_LEVEL": "CRITICAL"}
