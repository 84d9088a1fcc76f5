BOT_NAME = "hostile"
SPIDER_MODULES = ["hostile.spiders"]
TELNETCONSOLE_ENABLED = False
