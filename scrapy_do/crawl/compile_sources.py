"""Compiles the sources of a project, without running them, in a process of its own.

What is compiled was just pushed: the compiler may be made to take all memory and time, or
to crash. Run as a script with FROM, TO and the number of its parent; the compiled files appear
in TO, each at the place where Python looks for it beside its source. It imports next to
nothing, as a push waits for it.
"""

import ctypes
import importlib.util
import os
import py_compile
import resource
import signal
import sys
from collections.abc import Iterator

_PR_SET_PDEATHSIG = 1
_MEMORY_BYTES = 1 << 30
_FOLDER = "__pycache__"


def main() -> None:
    """Compile what can be compiled; what cannot be is left to whoever imports it."""
    source, target, parent = sys.argv[1], sys.argv[2], int(sys.argv[3])
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    for path in _sources(source):
        name = os.path.relpath(path, source)
        try:
            py_compile.compile(
                path,
                cfile=f"{target}/{importlib.util.cache_from_source(name)}",
                dfile=name,
                doraise=True,
                # Not what SOURCE_DATE_EPOCH may ask for: a project may change its own sources.
                invalidation_mode=py_compile.PycInvalidationMode.TIMESTAMP,
            )
        except (py_compile.PyCompileError, RecursionError, MemoryError, ValueError, OSError):
            continue


def _sources(directory: str) -> Iterator[str]:
    with os.scandir(directory) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    if any(entry.name == _FOLDER and not entry.is_dir() for entry in found):
        return
    for entry in found:
        if entry.is_dir(follow_symlinks=False) and entry.name != _FOLDER:
            yield from _sources(entry.path)
        elif entry.name.endswith(".py") and entry.is_file(follow_symlinks=False):
            yield entry.path


if __name__ == "__main__":
    main()
