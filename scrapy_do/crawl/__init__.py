"""What runs outside the daemon: the warm parent, the holder, the crawl itself.

Imports the standard library, Scrapy, `wire`, `run_record` and `record_file`, nothing else
of ours; nobody imports it, launchers name its modules as strings.
"""
