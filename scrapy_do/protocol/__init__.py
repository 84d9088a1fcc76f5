"""What the daemon and its crawls say to each other: orders, reports, and the files between them.

The standard library only, so that a crawl can load it without anything else of the daemon. What
is done with these values is not here: that is `launchers` on this side, `crawl` on the other.
Read `wire` first, then `run_record`.
"""
