"""The use cases that only Scrapy Cloud clients have: job queues, metadata, collections, frontiers.

Their wire is in `api.scrapy_cloud`. Read `jobs` first, then `projects`.
"""
