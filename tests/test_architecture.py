"""The import rule: each room imports only what stands below it, each library has its places."""

import ast
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "scrapy_do"

ROOMS: dict[str, set[str]] = {
    "errors": set(),
    "protocol": set(),
    "core": {"errors", "protocol"},
    "config": {"errors"},
    "system": {"errors", "config"},
    "store": {"core", "protocol", "errors", "system"},
    "files": {"core", "protocol", "errors", "system"},
    "launchers": {"core", "protocol", "errors", "system"},
    "web": {"core", "protocol", "errors", "system", "config"},
    "engine": {"core", "config", "system", "store", "files", "launchers", "protocol", "errors"},
    "operations": {"core", "config", "system", "store", "files", "launchers", "protocol", "errors"},
    "api": {"operations", "core", "errors", "web"},
    "ui": {"operations", "core", "errors", "web"},
    "assembly": {
        *("config", "core", "engine", "errors", "files", "launchers", "operations"),
        *("protocol", "store", "system"),
    },
    "daemon": {
        "assembly",
        *("api", "config", "core", "engine", "errors", "files", "launchers", "operations"),
        *("protocol", "store", "system", "ui", "web"),
    },
    "crawl": {"protocol"},
    "client": {"errors", "config", "daemon", "engine", "files", "store", "demo"},
    "demo": {"client", "engine"},
    "__main__": {"client"},
}
"""What of ours a room may import: what stands below it, nothing beside it."""

PLACES: dict[str, set[str]] = {
    "OpenSSL": {"web"},
    "alembic": {"store"},
    "argon2": {"system/passwords.py"},
    "click": {"client", "demo"},
    "cronsim": {"core"},
    "itemadapter": {"crawl"},
    "jinja2": {"ui/render.py"},
    "klein": {"web"},
    "markdown_it": {"ui/documents.py"},
    "msgpack": {"api", "operations"},
    "multipart": {"web"},
    "psutil": {"system/host.py"},
    "rich": {"client/output.py", "demo/progress.py"},
    "scrapy": {"crawl"},
    "sqlalchemy": {"store"},
    "tabulate": {"client/scrapy_do_cl.py"},
    "twisted": {
        *("api", "crawl", "daemon", "engine", "files", "launchers", "operations", "store"),
        *("system", "web"),
    },
    "tzlocal": {"config"},
    "werkzeug": {"web"},
    "zope": {"api", "daemon", "engine", "launchers", "operations", "system", "web"},
}
"""Where a library may be imported: rooms, or single files."""

DISTRIBUTIONS = {
    "OpenSSL": "pyopenssl",
    "argon2": "argon2-cffi",
    "markdown_it": "markdown-it-py",
    "zope": "zope.interface",
}
"""What a library is called where it is declared, if not as it is imported."""

DATA = {"tzdata"}
"""What is declared for its data, and imported by nobody."""

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
    if target not in ROOMS[room]:
        yield "not below"
    elif room in {"client", "demo"} and target not in {"client", "demo"} and not lazy:
        yield "the server is imported inside functions only"


def test_every_import_points_downward() -> None:
    """No module imports what its room may not know."""
    paths = [
        path for path in PACKAGE.rglob("*.py") if (PACKAGE / "demo" / "project") not in path.parents
    ]
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
    assert list(_own_faults("engine", "operations", lazy=True)) == ["not below"]
    assert list(_own_faults("client", "config", lazy=False)) == [
        "the server is imported inside functions only"
    ]
    assert list(_own_faults("protocol", "core", lazy=False)) == ["not below"]
    assert list(_own_faults("daemon", "crawl", lazy=True)) == ["not below"]


def test_every_library_is_declared_where_it_is_imported() -> None:
    """What is installed with us is what we import, no more and no less."""
    declared = ConfigParser()
    declared.read(PACKAGE.parent / "setup.cfg")
    wanted = declared["options"]["install_requires"].split("\n")
    names = {line.split(">=")[0].strip() for line in wanted if line.strip()}
    assert names == {DISTRIBUTIONS.get(name, name) for name in PLACES} | DATA
