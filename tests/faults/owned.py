"""A data directory with its database, as a daemon leaves it; no process, no reactor."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from uuid import UUID

from scrapy_do.core.project import ArchiveRef
from scrapy_do.engine.pairing import Pair
from scrapy_do.files.archives import ArchiveStore
from scrapy_do.files.artifacts import ArtifactStore
from scrapy_do.files.data_directory import DataDirectory
from scrapy_do.files.spider_data import SpiderDataStore
from scrapy_do.store.store import Store
from tests.factories import request
from tests.http_client import completed
from tests.store.values import FINISHED, new, version

JOB = UUID(int=1)


def pair_at(data: Path, database: str | None = None) -> Pair:
    return Pair(DataDirectory(data), database)


class Opened:
    """A pair that is open until the end of the block."""

    def __init__(self, data: Path, *, is_new: bool = False, database: str | None = None) -> None:
        self._pair = pair_at(data, database)
        self._is_new = is_new

    def __enter__(self) -> Store:
        try:
            self._pair.lock()
            self._store = self._pair.open(is_new=self._is_new)
        except BaseException:
            self._pair.close()
            raise
        return self._store

    def __exit__(self, *_: object) -> None:
        self._store.close()
        self._pair.close()


def use(data: Path, *, project: str = "quotesbot") -> Path:
    """Do what a daemon does of which files stay: a push, a job, its files and its spider's."""
    with Opened(data) as store:
        add(store, data, project)
        completed(store.jobs.add(new(JOB.int, FINISHED, request=request(project=project))))
        (ArtifactStore(data).prepare(JOB) / "out").write_text("printed")
        (SpiderDataStore(data / "spider-data").prepare(project) / "seen").write_text("1")
    return data


def add(store: Store, data: Path, project: str = "quotesbot", content: bytes = b"") -> ArchiveRef:
    """Push an archive that nobody will look into."""
    archives = ArchiveStore(data / "archives")
    upload = archives.incoming / "upload"
    upload.write_bytes(b"archive of " + project.encode() + content)
    archive = archives.measure(upload)
    archives.put(upload, archive)
    completed(store.projects.put_version(version(project, archive=archive)))
    return archive


def killed(data: Path, target: Path) -> Path:
    """Leave a directory as a kill would, with what was written in SQLite's log."""
    with Opened(data) as store:
        completed(store.meta.put("scope", {f"key {n}": "x" * 50 for n in range(50)}))
        shutil.copytree(data, target)
    return target


def files_of(data: Path) -> dict[str, bytes]:
    """Every file below a directory with its content."""
    return {
        str(path.relative_to(data)): path.read_bytes()
        for path in sorted(data.rglob("*"))
        if path.is_file()
    }


def copy_of(database: Path, target: Path) -> Path:
    """A whole copy of a database, as other programs make it."""
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
    return target
