BOT_NAME = "broken"
SPIDER_MODULES = ["broken.spiders"]
