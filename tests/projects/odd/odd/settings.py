BOT_NAME = "odd"
SPIDER_MODULES = ["odd.spiders"]
ROBOTSTXT_OBEY = False
