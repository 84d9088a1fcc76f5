"""Projects that cannot be: each gives its clear error, and nothing is left behind."""

import contextlib
import json
import re
import signal
import socket
import subprocess
import threading
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.live.running import Running, processes_of, running, until

pytestmark = pytest.mark.live

SPIDERS_TIMEOUT_S = 3


@contextlib.contextmanager
def with_a_good_project(root: Path) -> Iterator[Running]:
    options = {"SCRAPY_DO_CRAWLS_SPIDERS_TIMEOUT": f"{SPIDERS_TIMEOUT_S}s"}
    with running(root, options=options) as daemon:
        daemon.push("good", root)
        yield daemon


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A daemon for all tests after which it is as before."""
    with with_a_good_project(tmp_path_factory.mktemp("shared")) as daemon:
        yield daemon


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Running]:
    with with_a_good_project(tmp_path) as daemon:
        yield daemon


def archive(root: Path, spider_code: str, extra: Mapping[str, str] | None = None) -> Path:
    """Return a project named good, with this code in a module of spiders."""
    files = {
        "scrapy.cfg": "[settings]\ndefault = good.settings\n[deploy]\nproject = good\n",
        "good/__init__.py": "",
        "good/settings.py": 'BOT_NAME = "good"\nSPIDER_MODULES = ["good.spiders"]\n',
        "good/spiders/__init__.py": "",
        "good/spiders/one.py": spider_code,
        **(extra or {}),
    }
    target = root / "bad.zip"
    with zipfile.ZipFile(target, "w") as packed:
        for name, text in files.items():
            packed.writestr(name, text)
    return target


def push(daemon: Running, path: Path) -> dict[str, Any]:
    return daemon.ask("/push-project.json", archive=f"@{path}")


def left_behind(daemon: Running) -> dict[str, Any]:
    """Return what a push may leave by mistake: files, processes, a version.

    Trees of archives that are kept do not count: they are made when there is time.
    """
    archives, trees = daemon.data / "archives", daemon.data / "trees"
    kept = {path.stem for path in (archives / "packed").iterdir()}
    paths = (*archives.rglob("*"), *trees.rglob("*"))
    return {
        "files": sorted(str(path) for path in paths if kept.isdisjoint(path.parts)),
        "listings": processes_of("listing"),
        "versions": daemon.ask("/list-versions.json?project=good")["versions"],
    }


def open_files(daemon: Running) -> Counter[str]:
    """Count what the daemon has open, but for what comes and goes without a push.

    Those are connections of clients, and of the threads to the database, each opened when
    it is needed first.
    """
    links: Counter[str] = Counter()
    for one in Path(f"/proc/{daemon.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            links[re.sub(r"\[\d+\]$", "", str(one.readlink()))] += 1
    return Counter(
        {
            link: count
            for link, count in links.items()
            if link != "socket:" and "scrapy-do.db" not in link
        }
    )


def _more(now: dict[str, Any], before: dict[str, Any]) -> list[Any]:
    """Return what was not there before; what an earlier push has left may be on its way out."""
    return [one for what, found in now.items() for one in found if one not in before[what]]


@contextlib.contextmanager
def leaving_nothing(daemon: Running) -> Iterator[None]:
    """Check that what is done leaves nothing behind; what ends meanwhile may be less."""
    before, opened = left_behind(daemon), open_files(daemon)
    yield
    until(lambda: not _more(left_behind(daemon), before), "all to be as before", 10)
    until(lambda: not open_files(daemon) - opened or None, "files to be closed", 10)


SPIDER = "import scrapy\nclass One(scrapy.Spider):\n    name = 'one'\n"

BAD = {
    "import error": ("import nothing_of_this_name\n", "nothing_of_this_name"),
    "syntax error": ("def (:\n", "SyntaxError"),
    "exit at import": ("import os\nos._exit(3)\n", "ended its process"),
    "exception at import": ("1 / 0\n", "ZeroDivisionError"),
    "endless import": ("while True: pass\n", f"{SPIDERS_TIMEOUT_S}"),
    "sleeping import": ("import time\ntime.sleep(3600)\n", f"{SPIDERS_TIMEOUT_S}"),
}


@pytest.mark.parametrize("what", list(BAD))
def test_projects_that_cannot_be_listed(shared: Running, tmp_path: Path, what: str) -> None:
    """The push says why, the version before stays, and nothing is left."""
    code, words = BAD[what]
    with leaving_nothing(shared):
        answer = push(shared, archive(tmp_path, code))

        assert answer["status"] == "error"
        assert answer["msg"].startswith("Unable to get the list of spiders: "), answer
        assert words in answer["msg"] + answer.get("traceback", ""), answer


def test_a_stop_while_a_project_hangs(daemon: Running, tmp_path: Path) -> None:
    """A push that would outlast the stop is answered with 503, and nothing of it is left."""
    code, _ = BAD["sleeping import"]
    words = ["curl", "-sS", "-w", "%{http_code}", "-F", f"archive=@{archive(tmp_path, code)}"]
    url = f"{daemon.url}/push-project.json"
    listings = daemon.data / "listings"
    with subprocess.Popen([*words, url], stdout=subprocess.PIPE, text=True) as push:
        until(lambda: list(listings.iterdir()) or None, "the listing")
        daemon.signal(signal.SIGTERM)
        said, _ = push.communicate(timeout=10)

    assert daemon.wait() == 0
    assert said.endswith("503"), said
    assert json.loads(said[:-3])["msg"] == "the daemon is stopping: push again when it is back"
    assert list(listings.iterdir()) == []


@pytest.mark.parametrize("line", ["os._exit(0)", "os.kill(os.getppid(), 9)", "os.kill(0, 9)"])
def test_a_process_that_dies_while_it_lists(shared: Running, tmp_path: Path, line: str) -> None:
    """However the process ends, what it has written goes, of any depth and mode."""
    deep = "for _ in range(1200):\n    os.mkdir('d')\n    os.chdir('d')\n"
    code = f"import os\nos.chdir(os.environ['HOME'])\nos.mkdir('x', 0)\n{deep}{line}\n"

    answer = push(shared, archive(tmp_path, code))

    assert answer["msg"].startswith("Unable to get the list of spiders: "), answer
    assert list((shared.data / "listings").iterdir()) == []


def test_prints_are_no_spiders(daemon: Running, tmp_path: Path) -> None:
    """What a project prints at import is not taken for a spider."""
    answer = push(daemon, archive(tmp_path, f"print('surprise')\n{SPIDER}"))

    assert answer["spiders"] == ["one"]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"scrapy.cfg": "[settings]\ndefault = good.settings\n"}, "Can't extract project name"),
        ({"scrapy.cfg": "[deploy]\nproject = ../x\n"}, "project"),
        ({"../outside.py": ""}, "../outside.py"),
    ],
)
def test_archives_that_are_no_project(
    shared: Running, tmp_path: Path, files: dict[str, str], words: str
) -> None:
    """An archive that is no safe project is refused before anything is unpacked."""
    with leaving_nothing(shared):
        answer = push(shared, archive(tmp_path, SPIDER, files))

        assert answer["status"] == "error"
        assert words in answer["msg"]


def test_an_archive_without_a_project(shared: Running, tmp_path: Path) -> None:
    """A zip without a scrapy.cfg says what is missing."""
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("readme.txt", "nothing")

    assert push(shared, path)["msg"] == (
        "No project found in the archive: no scrapy.cfg at the top or one directory down"
    )


def test_push_while_it_runs(daemon: Running, tmp_path: Path) -> None:
    """A running job keeps its version; the next job runs the new one."""
    running_job = daemon.run("sleeper")
    daemon.until_status(running_job, "RUNNING")

    push(daemon, archive(tmp_path, SPIDER))
    next_job = daemon.run("one")

    assert daemon.finished(next_job)["version"] == "2"
    assert daemon.job(running_job)["status"] == "RUNNING"
    assert daemon.job(running_job)["version"] == "1"
    daemon.ask("/cancel-job.json", id=running_job)


def test_remove_while_it_runs(daemon: Running) -> None:
    """Removing a project lets its jobs end; its archive goes with the last of them."""
    job = daemon.run("sleeper")
    daemon.until_status(job, "RUNNING")

    removed = daemon.ask("/remove-project.json", name="good")
    daemon.ask("/cancel-job.json", id=job)

    assert removed == {"status": "ok"}
    assert daemon.job(job)["status"] == "CANCELED"
    packed = daemon.data / "archives" / "packed"
    until(lambda: not list(packed.iterdir()) or None, "the archive to go", 10)


def test_cancel_twice_at_once(shared: Running) -> None:
    """Two cancels of one job at the same moment end it once, and leave no process."""
    job = shared.run("sleeper")
    shared.until_status(job, "RUNNING")
    answers: list[dict[str, Any]] = []

    threads = [
        threading.Thread(target=lambda: answers.append(shared.ask("/cancel-job.json", id=job)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert "ok" in {answer["status"] for answer in answers}
    assert shared.job(job)["status"] == "CANCELED"
    assert processes_of(job) == []


def test_an_upload_that_breaks_off(shared: Running) -> None:
    """A client that leaves in the middle of an upload leaves nothing behind."""
    with leaving_nothing(shared):
        host, port = shared.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as client:
            client.sendall(
                b"POST /push-project.json HTTP/1.1\r\n"
                + f"Host: {host}:{port}\r\n".encode()
                + b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 100000\r\n\r\n"
                + b'--b\r\nContent-Disposition: form-data; name="archive"; filename="a.zip"\r\n\r\n'
                + b"x" * 50_000
            )
            incoming = shared.data / "archives" / "incoming"
            until(lambda: list(incoming.iterdir()) or None, "the upload to arrive", 10)
