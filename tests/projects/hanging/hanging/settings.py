BOT_NAME = "hanging"
SPIDER_MODULES = ["hanging.spiders"]
