"""What the code of projects is kept from, and whether this kernel can do that."""

from pathlib import Path

from scrapy_do.config.sections import Config
from scrapy_do.engine.old_users import taken_over
from scrapy_do.errors import ConfigError
from scrapy_do.protocol import landlock
from scrapy_do.protocol.wire import Confinement
from scrapy_do.store.database import database_url, file_of


def confinement_of(config: Config) -> Confinement:
    """What crawls are kept from: the data directory, and the files that hold secrets.

    Raises:
        ConfigError: isolation is required, and this kernel has none; or crawls are to write to
            what they are kept from.
    """
    crawls, web = config.crawls, config.web
    is_there = landlock.version() >= landlock.OLDEST
    if crawls.isolation == "required" and not is_there:
        raise ConfigError("crawls", "isolation", f"{_MISSING}: give `auto` or `off`")
    files = {Path(origin) for origin in config.origins.values() if "/" in origin}
    secret = {web.key, web.auth_db, taken_over(web.auth_db), web.api_keys, *files}
    where = config.scrapy_do.database
    database = None if where is None else file_of(database_url(where))
    if database is not None:  # with its log and its copies, which come and go beside it
        secret.add(database.parent)
    hidden = tuple(path.absolute() for path in (config.scrapy_do.project_store, *sorted(secret)))
    for path in crawls.writable:
        for one in hidden:
            if path.resolve().is_relative_to(one.resolve()):
                raise ConfigError("crawls", "writable", f"{path} is, or lies in, {one}: {_HIDDEN}")
    return Confinement(
        is_on=is_there and crawls.isolation != "off", writable=crawls.writable, hidden=hidden
    )


def isolation_in_words(config: Config) -> tuple[bool, str]:
    """Whether crawls are kept from what is not theirs, and how or why not."""
    if config.crawls.isolation == "off":
        return False, "off: crawls can do whatever the user of the daemon can"
    if landlock.version() < landlock.OLDEST:
        return False, f"{_MISSING}: crawls can do whatever the user of the daemon can"
    return True, f"Landlock {landlock.version()}: {_kept(landlock.version())}"


_HIDDEN = "crawls get nothing of that; SPIDER_DATA_DIR is theirs. Name a directory outside"
_MISSING = "this kernel has no Landlock that would do (Linux 5.19, not switched off)"


def _kept(version: int) -> str:
    """What is kept, in the words of whoever reads it."""
    gaps = [
        *([] if version >= landlock.WITH_TRUNCATE else ["files outside can be emptied"]),
        *([] if version >= landlock.WITH_SCOPES else ["processes outside can be signalled"]),
    ]
    return "crawls write to their own directories only" + "".join(f"; {gap}" for gap in gaps)
