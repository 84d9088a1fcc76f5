"""What runs outside the daemon: the warm parent, the holder, the crawl itself.

Imports the standard library, Scrapy and `protocol`, nothing else of ours. Nobody imports it:
launchers name its modules as strings. Read `holder` first, then `runner`.
"""
