BOT_NAME = "good"
SPIDER_MODULES = ["good.spiders"]
ROBOTSTXT_OBEY = False
