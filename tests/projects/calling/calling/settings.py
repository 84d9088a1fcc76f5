BOT_NAME = "calling"
SPIDER_MODULES = ["calling.spiders"]
