"""A daemon as a child process: started, awaited, ended."""

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from scrapy_do.client.errors import UserError

_READY_WORDS = "listening on "
_ERROR = "error: "
_START_LIMIT_S = 60.0
_STOP_LIMIT_S = 60.0
_LAST_WORDS_LIMIT_S = 5.0
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
    words = [sys.executable, "-m", "scrapy_do", "serve"]
    words += ["--data-dir", str(data_dir), "--listen", f"127.0.0.1:{port}"]
    inherited = {key: text for key, text in os.environ.items() if not key.startswith("SCRAPY_DO_")}
    process = subprocess.Popen(  # noqa: S603 - constant words
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=inherited | dict(options),
        start_new_session=True,  # Ctrl-C reaches us alone; we stop it in good order
    )
    said: queue.Queue[str] = queue.Queue()
    log = data_dir.parent / _LOG
    keeper = threading.Thread(target=_keep, args=(process.stdout, log, said), daemon=True)
    with process:
        keeper.start()
        try:
            yield _address(said)
        finally:
            _end(process)
            keeper.join(_LAST_WORDS_LIMIT_S)


def _address(said: "queue.Queue[str]") -> str:
    """Wait for the line that says where the daemon listens."""
    deadline = time.monotonic() + _START_LIMIT_S
    heard = []
    try:
        while line := said.get(timeout=max(deadline - time.monotonic(), 0)):
            heard.append(line.rstrip())
            if _READY_WORDS in line:
                return line.rsplit(_READY_WORDS, 1)[1].strip()
    except queue.Empty:
        heard.append(f"it did not listen within {_START_LIMIT_S:.0f} s")
    errors = [line.removeprefix(_ERROR) for line in heard if line.startswith(_ERROR)]
    reason = (errors or heard or ["it said nothing"])[-1]
    raise UserError(f"the daemon did not start: {reason}", try_="scrapy-do demo")


def _keep(output: IO[bytes], log: Path, said: "queue.Queue[str]") -> None:
    """Write what the daemon says into the log, and hand it on until it listens or ends."""
    starting = True
    with log.open("wb", buffering=0) as file:
        for line in output:
            file.write(line)
            if starting:
                said.put(line.decode("utf-8", "replace"))
                starting = _READY_WORDS.encode() not in line
    said.put("")


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
