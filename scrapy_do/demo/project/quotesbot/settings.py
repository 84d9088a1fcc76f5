"""Settings of the demo project."""

BOT_NAME = "quotesbot"
SPIDER_MODULES = ["quotesbot.spiders"]
ROBOTSTXT_OBEY = True
DOWNLOAD_DELAY = 0
CONCURRENT_REQUESTS_PER_DOMAIN = 4
TELNETCONSOLE_ENABLED = False
