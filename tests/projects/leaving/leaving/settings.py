BOT_NAME = "leaving"
SPIDER_MODULES = ["leaving.spiders"]
