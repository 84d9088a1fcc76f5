"""How a crawl comes to life: launchers start crawls, find them again and end them."""

from collections.abc import Mapping
from pathlib import Path

from scrapy_do.launchers.forkserver import ForkServer
from scrapy_do.launchers.interface import Launcher
from scrapy_do.launchers.local import LocalLauncher, Starter
from scrapy_do.launchers.spawn import Spawner
from scrapy_do.protocol.wire import StartMethod
from scrapy_do.system.runtime import Runtime


def make_launcher(
    *, reports_socket: Path, environment: Mapping[str, str], runtime: Runtime
) -> Launcher:
    """Return the launcher of this machine; each order says how its process is started.

    `reports_socket` is where crawls send their reports: a path in the data directory.
    `environment` is that of the interpreters that make crawls (PATH, LANG): there must be no
    secret in it, as a forked crawl can look up what its parent was started with.
    """
    starters: dict[StartMethod, Starter] = {
        StartMethod.FORK: ForkServer(runtime, environment),
        StartMethod.SPAWN: Spawner(runtime, environment),
    }
    return LocalLauncher(starters, reports_socket=reports_socket, runtime=runtime)
