"""The import rule: each room imports only what stands below it, each library has its places."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "scrapy_do"

FLOOR = {"errors", "frames", "wire", "run_record", "regular_file", "record_file"}
"""Standard library only; shared by the daemon and its crawls."""

ROOMS: dict[str, set[str]] = {
    "core": {"errors"},
    "config": {"errors"},
    "clock": {"errors"},
    "journal": {"config"},
    "listening": {"config", "errors"},
    "notify": {"errors"},
    "own_process": {"notify"},
    "host": {"errors"},
    "store": {"core", "errors"},
    "files": {"core", "errors", "regular_file", "record_file"},
    "launchers": {"frames", "wire", "run_record", "host", "errors"},
    "metrics": {"core"},
    "web": {"core", "errors", "config"},
    "control": {"core", "config", "store", "files", "launchers", "host", *FLOOR},
    "api": {"control", "web", "core", "errors"},
    "ui": {"control", "web", "core", "errors"},
    "crawl": {"wire", "run_record", "record_file"},
    "client": {"errors", "config", "daemon", "store"},
    "__main__": {"client"},
}
"""What of ours a room may import; `daemon` may import everything but `crawl` and `client`."""

PLACES: dict[str, set[str]] = {
    "OpenSSL": {"web"},
    "alembic": {"store"},
    "click": {"client"},
    "cronsim": {"core"},
    "itemadapter": {"crawl"},
    "klein": {"web"},
    "msgpack": {"api", "control"},
    "multipart": {"web"},
    "psutil": {"host"},
    "rich": {"client/output.py"},
    "scrapy": {"crawl"},
    "sqlalchemy": {"store"},
    "twisted": {
        *("api", "clock", "control", "crawl", "daemon", "files", "host", "launchers"),
        *("journal", "own_process", "store", "web"),
    },
    "tzlocal": {"config"},
    "werkzeug": {"web"},
    "zope": {"api", "clock", "control", "daemon", "launchers", "web"},
}
"""Where a library may be imported: rooms, or single files."""

PURE = {"asyncio", "logging", "os", "pathlib", "socket", "subprocess", "threading", "time"}
"""Modules of the standard library that the core does without."""


def _imports(path: Path) -> Iterator[tuple[int, str, bool]]:
    """Yield the line and the name of each import, and whether it stands inside a function."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top = set(tree.body)
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for name in names:
                    yield node.lineno, name.name, node not in top
            case ast.ImportFrom(module=str(module), names=names, level=0):
                for name in names:
                    yield node.lineno, f"{module}.{name.name}", node not in top


def _faults(path: Path) -> Iterator[str]:
    """Yield the reason for every import of a file that the rule forbids."""
    inside = path.relative_to(PACKAGE)
    room = inside.with_suffix("").parts[0]
    for line, name, lazy in _imports(path):
        place = f"{inside}:{line} imports {name}"
        library, _, rest = name.partition(".")
        if library == "scrapy_do":
            target = rest.partition(".")[0]
            if (PACKAGE / target).is_dir() or (PACKAGE / f"{target}.py").is_file():
                yield from (f"{place}: {reason}" for reason in _own_faults(room, target, lazy=lazy))
        elif library in sys.stdlib_module_names:
            if room == "core" and library in PURE:
                yield f"{place}: the core is pure"
        elif not {room, str(inside)} & PLACES.get(library, set()):
            yield f"{place}: not a place for {library}"
        if name.startswith("twisted.internet.reactor") and room != "daemon":
            yield f"{place}: the reactor belongs to the daemon"


def _own_faults(room: str, target: str, *, lazy: bool) -> Iterator[str]:
    if target == room:
        return
    if room == "daemon":
        if target in {"crawl", "client"}:
            yield "nobody imports it"
    elif room in FLOOR:
        if target not in FLOOR:
            yield "above the floor"
    elif target not in ROOMS.get(room, set()):
        yield "not below"
    elif room == "client" and not lazy:
        yield "the client imports the server inside functions only"


def test_every_import_points_downward() -> None:
    """No module imports what its room may not know."""
    paths = [path for path in PACKAGE.rglob("*.py") if "demo_project" not in path.parts]
    assert [fault for path in sorted(paths) for fault in _faults(path)] == []


def test_the_rule_notices_what_it_forbids(tmp_path: Path) -> None:
    """The reader of imports sees them wherever they stand."""
    path = tmp_path / "module.py"
    path.write_text("import os.path\ndef f():\n    from twisted.internet import reactor\n")
    assert list(_imports(path)) == [
        (1, "os.path", False),
        (3, "twisted.internet.reactor", True),
    ]
    assert list(_own_faults("api", "store", lazy=False)) == ["not below"]
    assert list(_own_faults("client", "config", lazy=False)) == [
        "the client imports the server inside functions only"
    ]
    assert list(_own_faults("wire", "core", lazy=False)) == ["above the floor"]
    assert list(_own_faults("daemon", "crawl", lazy=True)) == ["nobody imports it"]
