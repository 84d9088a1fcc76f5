BOT_NAME = "deferring"
SPIDER_MODULES = ["deferring.spiders"]
LOG_LEVEL = "INFO"
FORCE_CRAWLER_PROCESS = True
