"""Imported by crawls only, never when the spiders are listed."""


class Nothing:
    def process_item(self, item):
        return item
