BOT_NAME = "names"
SPIDER_MODULES = ["names.spiders"]
