"""Compiles the sources of a project, without running them, in a process of its own.

What is compiled was just pushed: the compiler may be made to take all memory and time, or
to crash. Run as `python -m scrapy_do.crawl.compile_sources FROM TO`; the compiled files
appear in TO, each at the place where Python looks for it beside its source.
"""

import importlib.util
import os
import py_compile
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

from scrapy_do.crawl import processes

_MEMORY_BYTES = 1 << 30
_FOLDER = "__pycache__"


def main() -> None:
    """Compile what can be compiled; what cannot be is left to whoever imports it."""
    source, target, parent = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    processes.die_with_parent(parent)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    for path in _sources(source):
        place = Path(importlib.util.cache_from_source(str(path))).relative_to(source)
        try:
            py_compile.compile(
                str(path),
                cfile=str(target / place),
                dfile=str(path.relative_to(source)),
                doraise=True,
                # Not what SOURCE_DATE_EPOCH may ask for: a project may change its own sources.
                invalidation_mode=py_compile.PycInvalidationMode.TIMESTAMP,
            )
        except (py_compile.PyCompileError, RecursionError, MemoryError, ValueError, OSError):
            continue


def _sources(directory: Path) -> Iterator[Path]:
    for top, folders, names in os.walk(directory):
        folders[:] = sorted(set(folders) - {_FOLDER})
        if _FOLDER in names:
            continue
        for name in sorted(names):
            path = Path(top, name)
            if name.endswith(".py") and path.is_file() and not path.is_symlink():
                yield path


if __name__ == "__main__":
    main()
