"""What scrapy-do-cl 0.5.0 prints for answers that are always the same.

Recorded with `python -m tests.client.golden_cl PROGRAM`, where PROGRAM is the scrapy-do-cl of an
environment that has scrapy-do==0.5.0.
"""

import json
import shlex
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from scrapy_do.client.scrapy_do_cl import FORMATS

GOLDEN = Path(__file__).parent / "golden" / "scrapy_do_cl.txt"
_ID = "f2ac4b2c-1d4a-4b6f-9c3a-0a1b2c3d4e5f"
_OTHER = "0b5a3cf0-7d2e-4f36-8c1c-5e6f7a8b9c0d"


def _job(identifier: str, **more: object) -> dict[str, object]:
    return {
        "identifier": identifier,
        "status": "SUCCESSFUL",
        "actor": "USER",
        "schedule": "now",
        "project": "quotesbot",
        "spider": "toscrape-css",
        "description": "",
        "timestamp": "2026-11-24 10:00:00.123456",
        "duration": 12,
        "payload": '{"b": [1, "\\u00e4"], "a": null}',
        "items": 100,
        **more,
    }


_ANSWERS: dict[str, tuple[int, str, object]] = {
    "/status.json": (
        200,
        "application/json",
        {
            "status": "ok",
            "memory-usage": 40.62890625,
            "cpu-usage": 0.0,
            "time": "2026-11-24 10:00:00.123456",
            "timezone": "UTC; UTC",
            "hostname": "ho|st",
            "uptime": "1d 12m 24s",
            "jobs-run": 12345,
            "empty": "",
            "nothing": None,
            "flag": True,
        },
    ),
    "/list-projects.json": (
        200,
        "application/json",
        {"status": "ok", "projects": ["quotesbot", "bücher", "7"]},
    ),
    "/list-spiders.json": (200, "application/json", {"status": "ok", "spiders": []}),
    "/list-jobs.json": (
        200,
        "application/json",
        {
            "status": "ok",
            "jobs": [
                _job(_ID),
                _job(
                    _OTHER,
                    duration=None,
                    payload="{}",
                    description="a\nb",
                    schedule="every 2 hours",
                ),
                _job(_OTHER, payload="{broken"),
            ],
        },
    ),
    f"/get-log/data/{_ID}.err": (200, "text/plain; charset=utf-8", "one\ntwö\n"),
    f"/get-log/data/{_ID}.out": (200, "text/plain; charset=utf-8", ""),
    "/push-project.json": (
        200,
        "application/json",
        {"status": "ok", "name": "good", "spiders": ["b", "a"]},
    ),
    "/schedule-job.json": (200, "application/json", {"status": "ok", "identifier": _ID}),
    "/cancel-job.json": (
        400,
        "application/json",
        {"status": "error", "msg": 'No such job: "x"', "error": "job-not-found"},
    ),
    "/remove-project.json": (200, "application/json", {"status": "ok"}),
}

CALLS: tuple[str, ...] = (
    "",
    "status",
    *(f"--print-format {name} status" for name in FORMATS),
    *(f"--print-format {name} list-jobs" for name in ("simple", "pipe", "rst", "html")),
    "list-projects",
    "--print-format latex list-projects",
    "list-spiders",
    "list-spiders --project quotesbot",
    "list-spiders --proj quotesbot",
    "list-jobs",
    "list-jobs --status COMPLETED",
    "list-jobs --status NOTHING",
    f"list-jobs --job-id {_ID}",
    "get-log",
    f"get-log --job-id {_ID}",
    f"get-log --job {_ID} --log-type out",
    f"get-log --job-id {_ID} --log-type log",
    "push-project",
    "push-project --project-path good",
    "push-project --project-path nowhere",
    "schedule-job",
    "schedule-job --project quotesbot",
    "schedule-job --project quotesbot --spider toscrape-css",
    "schedule-job --project q --spider s --when 'every 2 hours' --payload '{\"a\": 1}' --desc d",
    "schedule-job --project q --spider s --payload {broken",
    "cancel-job",
    "cancel-job --job-id x",
    "remove-project",
    "remove-project --name quotesbot",
    "--verify-ssl no list-projects",
    "--verify-ssl maybe list-projects",
    "--print-format nothing list-projects",
    "--username ann --password secret list-projects",
    "nothing",
)


@contextmanager
def served() -> Iterator[str]:
    """Serve the answers; give the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, kind, answer = _ANSWERS[urlsplit(self.path).path]
            text = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        do_POST = do_GET  # noqa: N815 - the standard library's name

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its signature
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def place(directory: Path) -> None:
    """Put a project where the calls look for one: `good` has one, the directory itself none."""
    good = directory / "good"
    (good / "good").mkdir(parents=True)
    (good / "scrapy.cfg").write_text(
        "[settings]\ndefault = good.settings\n[deploy]\nproject = good\n"
    )
    (good / "good" / "__init__.py").touch()


def recorded(call: str, code: int, out: str, directory: Path) -> str:
    """One call as it stands in the file."""
    return f"$ scrapy-do-cl {call}".rstrip() + f"\n{out.replace(str(directory), 'DIR')}= {code}\n"


def _record(program: str) -> None:
    with tempfile.TemporaryDirectory() as scratch, served() as url:
        directory = Path(scratch).resolve()
        place(directory)
        parts = []
        for call in CALLS:
            done = subprocess.run(
                [program, "--url", url, *shlex.split(call)],
                cwd=directory,
                env={"HOME": str(directory), "PYTHONIOENCODING": "utf-8", "COLUMNS": "80"},
                capture_output=True,
                text=True,
                check=False,
            )
            parts.append(recorded(call, done.returncode, done.stdout, directory))
    GOLDEN.write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    _record(sys.argv[1])
