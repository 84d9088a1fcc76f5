"""How a crawl comes to life: launchers start crawls, find them again and end them."""

from collections.abc import Callable, Mapping
from pathlib import Path

from scrapy_do.launchers.forkserver import ForkServer
from scrapy_do.launchers.interface import Launcher
from scrapy_do.launchers.local import LocalLauncher, Starter
from scrapy_do.launchers.services import Services
from scrapy_do.launchers.spawn import Spawner

STARTERS: Mapping[str, Callable[[Services, Mapping[str, str]], Starter]] = {
    "fork": ForkServer,
    "spawn": Spawner,
}
"""The launchers by the name that the configuration uses."""


def make_launcher(
    name: str, *, reports_socket: Path, environment: Mapping[str, str], services: Services
) -> Launcher:
    """Return a launcher of this machine.

    `reports_socket` is where crawls send their reports: a path in the data directory.
    `environment` is that of the interpreters that make crawls (PATH, LANG), of which the
    crawls themselves see nothing.
    """
    starter = STARTERS[name](services, environment)
    return LocalLauncher(starter, reports_socket=reports_socket, services=services)
