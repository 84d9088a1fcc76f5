"""Every file store of one data directory."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from scrapy_do.files.archives import ArchiveStore
from scrapy_do.files.artifacts import ArtifactStore
from scrapy_do.files.data_directory import DataDirectory
from scrapy_do.files.runs import RunStore
from scrapy_do.files.scratch import ScratchStore
from scrapy_do.files.spider_data import SpiderDataStore
from scrapy_do.files.trash import Trash
from scrapy_do.files.trees import TreeStore


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStores:
    """The parts of a data directory, each with what lies there."""

    archives: ArchiveStore
    trees: TreeStore
    artifacts: ArtifactStore
    runs: RunStore
    spider_data: SpiderDataStore
    scratch: ScratchStore
    trash: Trash

    @classmethod
    def at(
        cls,
        directory: DataDirectory,
        *,
        compile_sources: Callable[[Path, Path], None],
        trash_age: timedelta,
        now: Callable[[], datetime],
    ) -> "FileStores":
        """Make the directories that are not there."""
        archives = ArchiveStore(directory.archives)
        return cls(
            archives=archives,
            trees=TreeStore(directory.trees, archives, compile_sources),
            artifacts=ArtifactStore(directory.artifacts),
            runs=RunStore(directory.runs),
            spider_data=SpiderDataStore(directory.spider_data),
            scratch=ScratchStore(directory.listings),
            trash=Trash(directory.trash, age=trash_age, now=now),
        )

    def sweep(self) -> None:
        """Remove what a killed process left; called once at start. Blocking."""
        for one in (self.archives, self.trees, self.artifacts, self.spider_data, self.scratch):
            one.sweep()
