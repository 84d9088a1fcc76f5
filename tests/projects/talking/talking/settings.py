BOT_NAME = "talking"
SPIDER_MODULES = ["talking.spiders"]
