BOT_NAME = "flooding"
SPIDER_MODULES = ["flooding.spiders"]
