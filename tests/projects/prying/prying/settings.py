BOT_NAME = "prying"
SPIDER_MODULES = ["prying.spiders"]
