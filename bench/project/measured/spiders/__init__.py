"""The spiders, all in one module, so that each crawl imports the same."""
