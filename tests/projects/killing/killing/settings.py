BOT_NAME = "killing"
SPIDER_MODULES = ["killing.spiders"]
