"""The parts of the bench that can be wrong without anybody noticing."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest

from bench.__main__ import MORE, OF_ALL, OF_DAEMONS
from bench.asking import Client, percentile, probing
from bench.figures import FIGURES
from bench.filling import fill
from bench.packing import pack_egg, pack_zip
from bench.processes import Group, memory_of, threads_of, until, wake_ups_of
from bench.sheet import BARE, OURS, SCRAPYD, Figure, Sheet, at_least_times, at_most, missed, table
from bench.site import page
from bench.traffic import download, load, upload
from scrapy_do.core.filter import JobFilter
from scrapy_do.store.store import open_store
from tests.store.inline import run_inline
from tests.store.values import version

ROOT = Path(__file__).parent.parent


class _Echo(BaseHTTPRequestHandler):
    """Answers with what it was sent."""

    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.dumps({"status": "ok", "sent": sent.decode("latin-1")}).encode()
        self.send_response(404 if self.path == "/nothing" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _answer  # noqa: N815 - the names that the class looks for

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Echo) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


# --- figures -----------------------------------------------------------------------------------


def test_percentile() -> None:
    """A percentile is one of the values, and the last only when nothing less will do."""
    values = [float(number) for number in range(100, 0, -1)]
    assert [1.0, 50.0, 99.0, 100.0] == [percentile(values, share) for share in (0, 0.5, 0.99, 1)]


def test_table() -> None:
    """Medians stand with their range and ratios, goals with whether they are met."""
    figures = {
        "speed": Figure("speed", [at_least_times(2, SCRAPYD), at_least_times(9, BARE)], digits=0),
        "size": Figure("size, MB", [at_most(10)]),
        "unmeasured": Figure("unmeasured", [at_most(1)]),
    }
    sheet = Sheet()
    for value in (30.0, 10.0, 20.0):
        sheet.add(OURS, {"speed": value, "size": 7.5, "unmeasured": None})
    sheet.add(SCRAPYD, {"speed": 10.0})
    sheet.add(BARE, {"speed": 5.0})
    *_, speed, size = table(sheet, figures).splitlines()
    assert (
        "| speed | 20 (10 to 30) | 10 | 5 | 2x | 4x "
        "| ≥ 2 x scrapyd: met; ≥ 9 x scrapy crawl: **missed** |"
    ) == speed
    assert "| size, MB | 7.5 |  |  |  |  | ≤ 10: met |" == size
    assert ["speed"] == missed(sheet, figures)


def test_a_figure_that_is_compared_with_nothing() -> None:
    """A goal that names a system which was not measured is neither met nor missed."""
    figures = {"speed": Figure("speed", [at_least_times(2, SCRAPYD)])}
    sheet = Sheet()
    sheet.add(OURS, {"speed": 1.0})
    assert table(sheet, figures).endswith("| ≥ 2 x scrapyd: not compared |")
    assert [] == missed(sheet, figures)


def test_every_measure_is_documented() -> None:
    """The document names all measurements, and has a place for the result."""
    text = (ROOT / "docs" / "benchmarks.md").read_text()
    named = [measure.__name__ for measure in (*OF_DAEMONS, *OF_ALL)]
    assert [] == [name for name in ["crash", *named, *MORE] if f"`{name}`" not in text]
    assert 1 == text.count("<!-- the last result -->") == text.count("<!-- the end of the last")
    assert len(FIGURES) == len({figure.title for figure in FIGURES.values()})


# --- what is measured with ---------------------------------------------------------------------


def test_packing(tmp_path: Path) -> None:
    """Both packages hold the project; the ballast stays as large as it is."""
    with zipfile.ZipFile(pack_zip(tmp_path / "a.zip")) as archive:
        assert {"scrapy.cfg", "measured/spiders/timed.py"} <= set(archive.namelist())
    egg = pack_egg(tmp_path / "a.egg", ballast_bytes=1_000_000)
    with zipfile.ZipFile(egg) as archive:
        assert {"EGG-INFO/entry_points.txt", "measured/ballast0"} <= set(archive.namelist())
    assert 1_000_000 <= egg.stat().st_size


def test_page() -> None:
    """A page has ten products."""
    assert 10 == page(3).count('<li class="product">')


def test_filling() -> None:
    """The store has the ended jobs that it was to be filled with."""
    store = open_store("sqlite://")
    run_inline(store.projects.put_version(version("measured", spiders=("noop",))))
    ids = run_inline(fill(store, 12, datetime(2026, 6, 3, tzinfo=UTC)))
    assert set(ids) == {job.id for job in run_inline(store.jobs.find(JobFilter()))}
    assert 12 == run_inline(store.overview()).ended.successful


# --- traffic -----------------------------------------------------------------------------------


@pytest.mark.live
def test_client(url: str) -> None:
    """The client sends forms, reads JSON, and takes no answer but a good one."""
    client = Client(url)
    assert {"status": "ok", "sent": "a=1&b=x+y"} == client.post("/", {"a": "1", "b": "x y"})
    assert {"status": "ok", "sent": ""} == client.get("/")
    with pytest.raises(RuntimeError, match="/nothing: 404"):
        client.get("/nothing")
    client.close()


@pytest.mark.live
def test_load(url: str) -> None:
    """The load counts complete answers."""
    found = load(f"{url}/", "0.05", "2")
    assert found["per_s"] > 0
    assert 0 < found["p99_s"] < 5


@pytest.mark.live
def test_transfers(url: str, tmp_path: Path) -> None:
    """A file goes up as a form with its fields, and comes down to the last byte."""
    file = tmp_path / "file"
    file.write_bytes(b"0123456789" * 20_000)
    assert upload(f"{url}/", "archive", str(file), "project=measured")["seconds"] > 0
    answer = json.dumps({"status": "ok", "sent": ""})
    assert len(answer) == download(f"{url}/", "1e6")["bytes"]


@pytest.mark.live
def test_probing(url: str) -> None:
    """Probes go on until the end of the block."""
    client = Client(url)
    with probing(url, "/") as latencies_s:
        client.get("/")
    client.close()
    assert all(latency > 0 for latency in latencies_s)


# --- processes ---------------------------------------------------------------------------------


@pytest.mark.live
def test_group(tmp_path: Path) -> None:
    """A group knows its processes and their processor time, and ends them all."""
    group = Group()
    program = "import subprocess, sys, time; subprocess.Popen(['sleep', '60']); time.sleep(60)"
    with (tmp_path / "log").open("w") as log:
        process = group.spawn(
            [sys.executable, "-c", program],
            cwd=tmp_path,
            env=dict(os.environ),
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
    pids = until(
        lambda: group.pids() if len(group.pids()) > 1 else [],
        "the child",
        patience_s=30,
        pause_s=0.01,
    )
    assert process.pid in pids
    memory = memory_of(pids)
    assert 0 < memory.uss <= memory.pss <= memory.rss
    cpu_s = group.cpu_s()
    assert cpu_s is None or cpu_s > 0
    group.close()
    assert 0 != process.wait()
    assert [] == group.pids()


def test_wake_ups() -> None:
    """Who sleeps is woken, and that is counted."""
    before = wake_ups_of([os.getpid()])
    Event().wait(0.001)
    assert wake_ups_of([os.getpid()]) > before
    assert threads_of([os.getpid()]) >= 1
