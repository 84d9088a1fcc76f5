"""Measures lists and counts of jobs while the database holds very many that are finished.

`python -m bench.cloud_jobs [--quick] [--jobs N]` prints a table: one client on loopback that
asks a daemon for the same thing, often, one after the other. The processor time of the daemon
for an answer is there beside the latency, since others may be busy on the machine.

Note [How the database is filled]
    One job is recorded by the store, as every job is. SQL makes the others of its row: their
    own ids, keys and times, half of them in the first of ten projects, three tags of very
    different frequency, one in ten failed. Then the tables that sum up are made from the
    jobs. The file is kept under `.bench` for the next time; its name tells the version of
    this module and of the tables, so that an old one is never measured.
"""

import argparse
import asyncio
import hashlib
import os
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

from bench.asking import Client, percentile
from bench.environments import ROOT
from scrapy_do.core.job import Finished, JobRequest, NewJob, Outcome
from scrapy_do.core.project import ArchiveRef, NewVersion
from scrapy_do.files.data_directory import DataDirectory
from scrapy_do.protocol.facts import Progress
from scrapy_do.store import tables
from scrapy_do.store.store import Store, open_store

JOBS = 1_000_000
ASKED = 200
"""How often each question is asked."""

GOAL_MS = 100.0

_READY = "listening on "
_KEY = {"Authorization": "Basic a2V5Og=="}  # key:

DIGEST = "0a" * 32
PROJECTS = 10
SPIDERS = 20
TAGS = {"often": 2, "seldom": 10, "rare": 1000}
"""Each n-th job of a project has the tag."""

QUESTIONS: Sequence[tuple[str, str]] = (
    ("jobq count", "/jobq/1/count"),
    ("jobq count, in all states", "/jobq/1/count?state=pending&state=running&state=finished"),
    ("jobq count, of a spider", "/jobq/1/count?spider=spider7"),
    ("jobq count, with a tag of every 10th", "/jobq/1/count?has_tag=seldom"),
    ("jobq list, 1000 rows", "/jobq/1/list?count=1000"),
    ("jobq list, 1000 rows with a tag of every 2nd", "/jobq/1/list?has_tag=often"),
    ("jobq list, 1000 rows with a tag of every 1000th", "/jobq/1/list?has_tag=rare"),
    ("jobq list, 1000 rows without a tag", "/jobq/1/list?lacks_tag=seldom"),
    ("jobq list, 1000 rows of a spider with two tags",
     "/jobq/1/list?spider=spider7&has_tag=rare&has_tag=seldom"),
    ("jobq list, 1000 rows from row 100,000 on", "/jobq/1/list?start=100000"),
    ("jobq summary", "/jobq/1/summary"),
    ("jobs/list.json, the first 100", "/api/jobs/list.json?project=1&count=100"),
    ("jobs/list.json, the first 1000", "/api/jobs/list.json?project=1"),
    ("list-jobs.json, the first 100", "/list-jobs.json?status=COMPLETED&limit=100"),
)  # fmt: skip

_STATS = {
    "downloader/request_bytes": 594_312,
    "downloader/request_count": 1_234,
    "downloader/request_method_count/GET": 1_234,
    "downloader/response_bytes": 18_660_123,
    "downloader/response_count": 1_234,
    "downloader/response_status_count/200": 1_200,
    "downloader/response_status_count/404": 34,
    "elapsed_time_seconds": 632.211_014,
    "finish_reason": "finished",
    "finish_time": 1_566_311_822_568,
    "httpcompression/response_bytes": 70_123_456,
    "item_scraped_count": 5_000,
    "log_count/DEBUG": 3,
    "log_count/INFO": 21,
    "log_count/WARNING": 1,
    "memusage/max": 132_433_664,
    "memusage/startup": 72_433_664,
    "request_depth_max": 12,
    "response_received_count": 1_234,
    "scheduler/dequeued": 1_234,
    "scheduler/enqueued": 1_234,
    "start_time": 1_566_311_819_357,
}


# --- the database ------------------------------------------------------------------------------


def filled(jobs: int) -> Path:
    """The data directory of a daemon that has recorded so many jobs; made if it is not there."""
    version = hashlib.sha256()
    for module in (Path(__file__), Path(tables.__file__)):
        version.update(module.read_bytes())
    root = ROOT / f"cloud_jobs-{jobs}-{version.hexdigest()[:8]}"
    done = root / "done"
    if not done.exists():
        print(f"recording {jobs:,} jobs in {root}", file=sys.stderr, flush=True)
        root.mkdir(parents=True, exist_ok=True)
        _record(DataDirectory(root / "data"), jobs)
        done.touch()
    return root / "data"


def _record(directory: DataDirectory, jobs: int) -> None:
    directory.open()
    directory.database.unlink(missing_ok=True)
    store = open_store(directory.database)
    now = datetime.now(UTC).replace(microsecond=0)
    asyncio.run(_first(store, now - timedelta(seconds=jobs)))
    store.close()
    with closing(sqlite3.connect(directory.database)) as database:
        for statement in (_copies(), *_SUMS):
            database.execute(statement, {"copies": jobs - 1} if ":copies" in statement else {})
        database.commit()
    open_store(directory.database).close()  # notes that the file was changed in order
    packed = directory.archives / "packed"
    packed.mkdir(parents=True, exist_ok=True)
    (packed / f"{DIGEST}.zip").touch()  # nobody unpacks it
    directory.close()


async def _first(store: Store, at: datetime) -> None:
    """Record the projects, and the job that all others are made of."""
    for number in range(1, PROJECTS + 1):
        await store.projects.put_version(
            NewVersion(
                project=f"project{number}",
                label=None,
                archive=ArchiveRef(digest=DIGEST, size_bytes=1),
                root="",
                settings_module="project.settings",
                spiders=tuple(f"spider{one}" for one in range(1, SPIDERS + 1)),
                pushed_at=at,
                pushed_by="bench",
            )
        )
    request = JobRequest(project="project1", spider="spider1", arguments={"category": "books"})
    state = Finished(
        since=at,
        started=at - timedelta(minutes=10),
        attempt=0,
        outcome=Outcome.SUCCESSFUL,
        reason="finished",
    )
    created_at = at - timedelta(minutes=11)
    new = NewJob(id=UUID(int=1), request=request, state=state, created_at=created_at)
    job = await store.jobs.add(new)
    progress = Progress(
        items=5_000, requests=1_234, responses=1_234, log_lines=25, errors=0, stats=_STATS
    )
    await store.jobs.edit(job.id, lambda one: replace(one, progress=progress))


def _copies() -> str:
    """The statement that makes the other jobs, each a second later than the one before."""
    own = {
        "id": "lower(hex(randomblob(16)))",
        "project_id": f"iif(n % 2, 1, 2 + n / 2 % {PROJECTS - 1})",
        "spider_number": f"1 + n / 14 % {SPIDERS}",
        "number": "1 + n",
        "sequence": "1 + n",
        "outcome": f"iif(n % 10 = 3, '{Outcome.FAILED}', outcome)",
        "reason": "iif(n % 10 = 3, 'failed', reason)",
        "tags": f"(SELECT json_group_array(name) FROM ({_EVERY}) WHERE n / 2 % every = 0)",
        **{name: f"{name} + 1000 * n" for name in _TIMES},
    }
    names = [column.name for column in tables.jobs.columns]
    return (
        "WITH RECURSIVE numbers (n) AS "
        "(SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :copies) "
        f"INSERT INTO jobs ({', '.join(names)}) "
        f"SELECT {', '.join(own.get(name, name) for name in names)} FROM jobs, numbers"
    )


_TIMES = ("since_ms", "started_ms", "ended_ms", "created_ms", "changed_ms")
_EVERY = " UNION ALL ".join(f"SELECT '{name}' AS name, {n} AS every" for name, n in TAGS.items())

_SUMS = (
    """
    INSERT INTO job_tags (tag, sequence, project_id, spider_number, state, outcome, changed_ms)
    SELECT tag.value, sequence, project_id, spider_number, state, outcome, changed_ms
    FROM jobs, json_each(tags) AS tag
    """,
    "DELETE FROM job_counts",
    """
    INSERT INTO job_counts (project_id, spider_number, state, outcome, jobs)
    SELECT project_id, spider_number, state, outcome, count(*) FROM jobs GROUP BY 1, 2, 3, 4
    """,
    "UPDATE counters SET value = (SELECT max(sequence) FROM jobs) WHERE name = 'sequence'",
    "UPDATE spiders SET jobs_numbered = (SELECT max(number) FROM jobs)",
)


# --- the questions -----------------------------------------------------------------------------


@contextmanager
def daemon(data: Path, directory: Path) -> Iterator[tuple[Client, int]]:
    """Run a daemon that forgets nothing; with its process."""
    words = [sys.executable, "-m", "scrapy_do", "serve", "--data-dir", str(data)]
    never = {f"SCRAPY_DO_RETENTION_FINISHED_{what}": "0" for what in ("AGE", "PER_SPIDER")}
    with (directory / "daemon.log").open("w+") as log:
        process = subprocess.Popen(
            [*words, "--listen", "127.0.0.1:0"],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, **never},
        )
        assert process.stdout is not None
        line = process.stdout.readline()
        if _READY not in line:
            raise RuntimeError((directory / "daemon.log").read_text())
        client = Client(line.rsplit(_READY, 1)[1].strip())
        try:
            yield client, process.pid
        finally:
            client.close()
            process.terminate()
            process.wait()
            process.stdout.close()


def asked(client: Client, path: str, pid: int, times: int) -> tuple[list[float], list[float]]:
    """Ask for the same thing again and again; latencies and the daemon's processor times, in ms."""
    latencies_ms, used_ms = [], []
    for _ in range(times):
        before_ms = _processor_ms(pid)
        begun_s = time.perf_counter()
        client.fetch("GET", path, head=_KEY)
        latencies_ms.append((time.perf_counter() - begun_s) * 1000)
        used_ms.append(_processor_ms(pid) - before_ms)
    return latencies_ms, used_ms


def _processor_ms(pid: int) -> float:
    """How long the threads of a process have run."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.cloud_jobs", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer jobs, fewer questions")
    parser.add_argument("--jobs", type=int, help="how many jobs are in the database")
    options = parser.parse_args()
    jobs = options.jobs or (100_000 if options.quick else JOBS)
    times = ASKED // 4 if options.quick else ASKED
    rows = []
    with TemporaryDirectory() as directory, daemon(filled(jobs), Path(directory)) as (client, pid):
        for what, path in QUESTIONS:
            figures = [
                figure
                for found in asked(client, path, pid, times)
                for figure in (statistics.median(found), percentile(found, 0.99))
            ]
            rows.append(f"| {what} | {' | '.join(f'{figure:.1f}' for figure in figures)} |")
            print(rows[-1], file=sys.stderr, flush=True)
    print(
        f"{jobs:,} finished jobs, each question {times} times; the goal is a p99 of {GOAL_MS:g} ms"
    )
    print("\n| jobs over the Scrapy Cloud API | p50, ms | p99, ms | processor, p50 | p99 |")
    print("|---|---:|---:|---:|---:|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
