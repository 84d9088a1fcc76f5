"""The demonstration: a daemon, a site to crawl, a project and its jobs, without a network.

Nothing of the daemon depends on it. Read `run` first, then `site`.
"""
