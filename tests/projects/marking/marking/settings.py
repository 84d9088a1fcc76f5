BOT_NAME = "marking"
SPIDER_MODULES = ["marking.spiders"]
ROBOTSTXT_OBEY = False
