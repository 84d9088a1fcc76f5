BOT_NAME = "classic"
SPIDER_MODULES = ["classic.spiders"]
TWISTED_REACTOR = None
LOG_LEVEL = "INFO"
