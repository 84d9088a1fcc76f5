"""Has the sources of a project compiled, by an interpreter of its own."""

import os
import subprocess
from pathlib import Path

from twisted.logger import Logger

SCRIPT = Path(__file__).parent.parent / "crawl" / "compile_sources.py"
ARGUMENTS = ("-I", "-S", "-X", "utf8")
PATIENCE_S = 30.0

_log = Logger()


def compile_sources(python: str, source: Path, target: Path) -> None:
    """Compile what can be compiled; where that fails, crawls compile for themselves.

    Blocking, up to `PATIENCE_S`: called off the reactor thread.
    """
    try:
        subprocess.run(  # noqa: S603 - the interpreter is ours, the rest are paths of ours
            [python, *ARGUMENTS, SCRIPT, source, target, str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.defpath, "LANG": "C.UTF-8"},
            timeout=PATIENCE_S,
            start_new_session=True,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        _log.warn("{source} was not compiled: {problem}", source=source, problem=str(error))
