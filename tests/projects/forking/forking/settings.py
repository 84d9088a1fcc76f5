BOT_NAME = "forking"
SPIDER_MODULES = ["forking.spiders"]
