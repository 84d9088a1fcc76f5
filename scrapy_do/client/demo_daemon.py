"""A daemon as a child process: started, awaited, ended."""

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from scrapy_do.client.errors import Exit, UserError

_READY_WORDS = "listening on "
_START_LIMIT_S = 60.0
_STOP_LIMIT_S = 60.0
_LOG = "daemon.log"


@contextmanager
def daemon(data_dir: Path, *, port: int, options: Mapping[str, str]) -> Iterator[str]:
    """Run a daemon on loopback and give its address; end it politely on the way out.

    `options` are environment variables of the configuration; others of that kind, which the
    caller may have, do not reach it. It writes its log to `daemon.log` in the directory above
    its data.

    Raises:
        UserError: it did not start; the end of its log says why.
    """
    log_path = data_dir.parent / _LOG
    words = [sys.executable, "-m", "scrapy_do", "serve"]
    words += ["--data-dir", str(data_dir), "--listen", f"127.0.0.1:{port}"]
    inherited = {key: text for key, text in os.environ.items() if not key.startswith("SCRAPY_DO_")}
    with log_path.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - constant words
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env=inherited | dict(options),
            start_new_session=True,  # Ctrl-C reaches us alone; we stop it in good order
        )
    with process:
        try:
            yield _address(process, log_path)
        finally:
            _end(process)


def _address(process: "subprocess.Popen[bytes]", log_path: Path) -> str:
    """Wait for the line that says where the daemon listens."""
    assert process.stdout is not None
    deadline = time.monotonic() + _START_LIMIT_S
    heard = b""
    os.set_blocking(process.stdout.fileno(), False)
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while (left_s := deadline - time.monotonic()) > 0 and selector.select(left_s):
            part = os.read(process.stdout.fileno(), 4096)
            heard += part
            for line in heard.decode("utf-8", "replace").splitlines(keepends=True):
                if _READY_WORDS in line and line.endswith("\n"):
                    return line.rsplit(_READY_WORDS, 1)[1].strip()
            if not part:
                break
    last = log_path.read_text("utf-8", "replace").strip().splitlines()[-3:]
    raise UserError(
        "the daemon did not start: " + (" | ".join(last) or "it said nothing"),
        try_="scrapy-do serve",
        code=Exit.FAILED,
    )


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
