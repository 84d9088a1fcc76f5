BOT_NAME = "secure"
SPIDER_MODULES = ["secure.spiders"]
LOG_LEVEL = "INFO"
