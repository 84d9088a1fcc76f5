BOT_NAME = "ticking"
SPIDER_MODULES = ["ticking.spiders"]
TELNETCONSOLE_ENABLED = False
