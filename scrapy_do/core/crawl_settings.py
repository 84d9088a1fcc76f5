"""Which settings of Scrapy name code: whoever sets one chooses what a crawl imports and runs."""

_WITH_BASE = (
    *("DOWNLOADER_MIDDLEWARES", "DOWNLOAD_HANDLERS", "EXTENSIONS", "FEED_EXPORTERS"),
    *("FEED_STORAGES", "ITEM_PIPELINES", "SPIDER_CONTRACTS", "SPIDER_MIDDLEWARES"),
)
LOADED = frozenset(
    {
        *_WITH_BASE,
        *(f"{name}_BASE" for name in _WITH_BASE),
        *("ADDONS", "ASYNCIO_EVENT_LOOP", "COMMANDS_MODULE", "DEFAULT_ITEM_CLASS"),
        *("DNS_RESOLVER", "DOWNLOADER", "DOWNLOADER_CLIENTCONTEXTFACTORY"),
        *("DOWNLOADER_HTTPCLIENTFACTORY", "DUPEFILTER_CLASS", "FEEDS", "FEED_URI_PARAMS"),
        *("HTTPCACHE_DBM_MODULE", "HTTPCACHE_POLICY", "HTTPCACHE_STORAGE", "ITEM_PROCESSOR"),
        *("LOG_FORMATTER", "NEWSPIDER_MODULE", "REFERRER_POLICIES", "REFERRER_POLICY"),
        *("REQUEST_FINGERPRINTER_CLASS", "RETRY_EXCEPTIONS", "ROBOTSTXT_PARSER", "SCHEDULER"),
        *("SCHEDULER_DISK_QUEUE", "SCHEDULER_MEMORY_QUEUE", "SCHEDULER_PRIORITY_QUEUE"),
        *("SCHEDULER_START_DISK_QUEUE", "SCHEDULER_START_MEMORY_QUEUE"),
        *("SPIDER_LOADER_CLASS", "SPIDER_MODULES", "STATS_CLASS", "TWISTED_DNS_RESOLVER"),
        "TWISTED_REACTOR",
    }
)
"""The settings that Scrapy loads as objects or imports as modules, in any of its versions.

A test looks for them in the source of the version that is installed."""
