BOT_NAME = "browsing"
SPIDER_MODULES = ["browsing.spiders"]
LOG_LEVEL = "INFO"
