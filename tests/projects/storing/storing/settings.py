BOT_NAME = "storing"
SPIDER_MODULES = ["storing.spiders"]
FEEDS = {"items.json": {"format": "json"}}
HTTPCACHE_ENABLED = True
JOBDIR = "job"
