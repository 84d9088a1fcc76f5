BOT_NAME = "reactorless"
SPIDER_MODULES = ["reactorless.spiders"]
LOG_LEVEL = "INFO"
TWISTED_REACTOR_ENABLED = False
