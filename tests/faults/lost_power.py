"""What a disk may hold after a power loss, worked out from the system calls of a program.

Note [What a power loss may leave]: of a file, all that was written before its last fsync, and
of what was written since any part: each write came, or did not, or came up to a sector. Of a
directory, the names as they were at its last fsync and of the changes since the first few; a
file system keeps their order. Nothing else is assumed: an fsync of a new file does not save
its name, a rename saves no content.
"""

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

TRACED = (
    *("openat", "open", "creat", "close", "dup", "dup2", "dup3", "fcntl", "lseek"),
    *("write", "pwrite64", "ftruncate", "fsync", "fdatasync", "sendto", "clone", "clone3"),
    *("rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir", "mkdir", "mkdirat"),
    *("link", "linkat"),
)

_SECTOR_BYTES = 512
_END_BYTES = 1 << 20
_CALL = re.compile(r"(\d+) +(\w+)\((.*)\) += (-?\d+)", re.DOTALL)
_BEGUN = re.compile(r"(\d+) +(\w+\(.*) <unfinished \.\.\.>", re.DOTALL)
_RESUMED = re.compile(r"(\d+) +<\.\.\. (\w+) resumed>(.*)", re.DOTALL)
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_ANSWER = b"HTTP/1.1 "


def wrapper(trace: Path) -> tuple[str, ...]:
    """The command that runs a daemon, in its place, and writes down what it asks the system."""
    words = ("strace", "-D", "-f", "-q", "-xx", "-s", "16777216", "-o", str(trace))
    return (*words, "-e", f"trace={','.join(TRACED)}", "-e", "signal=none")


@dataclass(slots=True)
class _File:
    """An inode: what is surely on the disk, and what was written since."""

    durable: bytearray = field(default_factory=bytearray)
    recent: list[tuple[int, bytes | None]] = field(default_factory=list)
    """Writes as (offset, content) and truncations as (size, None)."""
    size: int = 0

    def write(self, offset: int, content: bytes) -> None:
        self.recent.append((offset, content))
        self.size = max(self.size, offset + len(content))

    def truncate(self, size: int) -> None:
        self.recent.append((size, None))
        self.size = size

    def sync(self) -> None:
        for change in self.recent:
            _apply(self.durable, *change)
        self.recent.clear()

    def after_loss(self, rng: random.Random) -> bytes:
        """One of the contents that a power loss may leave."""
        content = bytearray(self.durable)
        kept = rng.choice((0.0, 0.5, 0.9, 1.0))
        for offset, written in self.recent:
            if rng.random() >= kept:
                if written is None or rng.random() < 0.5:
                    continue
                sectors = rng.randrange(len(written) // _SECTOR_BYTES + 1)
                written = written[: sectors * _SECTOR_BYTES]  # noqa: PLW2901 - what of it came
            _apply(content, offset, written)
        return bytes(content)


def _apply(content: bytearray, offset: int, written: bytes | None) -> None:
    if written is None:
        del content[offset:]
        content.extend(bytes(offset - len(content)))
        return
    content.extend(bytes(max(0, offset - len(content))))
    content[offset : offset + len(written)] = written


@dataclass(slots=True)
class _Directory:
    """The names in a directory: surely on the disk, and changed since (None: gone)."""

    durable: dict[str, _File] = field(default_factory=dict)
    recent: list[tuple[str, _File | None]] = field(default_factory=list)

    def names(self, changes: int) -> dict[str, _File]:
        """The names after so many of the recent changes."""
        found = dict(self.durable)
        for name, file in self.recent[:changes]:
            if file is None:
                found.pop(name, None)
            else:
                found[name] = file
        return found


@dataclass(slots=True)
class _Open:
    path: Path
    offset: int = 0
    appends: bool = False


class Disk:
    """The files below a directory, as the calls of one program change them.

    Directories themselves count as durable at once: only names of files matter here.
    `answers` is how many HTTP answers the program has begun to send.
    """

    def __init__(self, root: Path, pid: int) -> None:
        self._root = root
        self._threads = {pid}
        self._open: dict[int, _Open] = {}
        self._directories: dict[Path, _Directory] = {}
        self.answers = 0
        self.changes = 0

    def load(self, copy: Path) -> None:
        """Begin with the files of a copy of the directory, all of them durable."""
        for path in copy.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                place = self._root / path.relative_to(copy)
                file = _File(durable=bytearray(content), size=len(content))
                self._directory(place.parent).durable[place.name] = file

    def after_loss(self, rng: random.Random, wanted: Sequence[Path]) -> dict[Path, bytes]:
        """The files below some paths as a power loss at this moment may leave them."""
        found = {}
        for place, directory in self._directories.items():
            if not any(place.is_relative_to(path) or path.parent == place for path in wanted):
                continue
            names = directory.names(rng.randint(0, len(directory.recent)))
            for name, file in names.items():
                if any((place / name).is_relative_to(path) for path in wanted):
                    found[place / name] = file.after_loss(rng)
        return found

    def replay(self, trace: Path) -> Iterator[None]:
        """Carry out one call of the trace after another."""
        for pid, name, said, result in _calls(trace):
            if pid in self._threads and result >= 0:
                self._carry_out(name, said, result)
                yield

    # --- calls -------------------------------------------------------------------------------

    def _carry_out(self, name: str, said: str, result: int) -> None:  # noqa: C901, PLR0912 - a table
        match name:
            case "clone" | "clone3":
                if "CLONE_THREAD" in said:
                    self._threads.add(result)
            case "open" | "openat" | "creat":
                self._opened(said, result, creates="O_CREAT" in said or name == "creat")
            case "close":
                self._open.pop(int(said), None)
            case "dup" | "dup2" | "dup3" | "fcntl":
                number = int(said.split(",", maxsplit=1)[0])
                if (name != "fcntl" or "F_DUPFD" in said) and number in self._open:
                    self._open[result] = self._open[number]
            case "lseek":
                if (found := self._open.get(int(said.split(",", maxsplit=1)[0]))) is not None:
                    found.offset = result
            case "write" | "pwrite64":
                self._written(name, said, result)
            case "sendto":
                self.answers += _text(said).startswith(_ANSWER)
            case "ftruncate":
                opened, length = said.split(",")
                if (file := self._file(int(opened))) is not None:
                    file.truncate(int(length))
                    self.changes += 1
            case "fsync" | "fdatasync":
                self._synced(int(said))
            case "rename" | "renameat" | "renameat2" | "link" | "linkat":
                self._named_anew(*self._paths(said), moved=name.startswith("rename"))
            case "unlink" | "unlinkat":
                for path in self._paths(said):
                    self._directory(path.parent).recent.append((path.name, None))
                    self.changes += 1

    def _opened(self, said: str, number: int, *, creates: bool) -> None:
        (path,) = self._paths(said)
        self._open[number] = _Open(path, appends="O_APPEND" in said)
        if not path.is_relative_to(self._root) or "O_DIRECTORY" in said:
            return
        file = self._now(path)
        if file is None and creates:
            self._directory(path.parent).recent.append((path.name, _File()))
            self.changes += 1
        elif file is not None and "O_TRUNC" in said:
            file.truncate(0)

    def _written(self, name: str, said: str, size: int) -> None:
        number = int(said.split(",", 1)[0])
        file, found = self._file(number), self._open.get(number)
        if file is None or found is None:
            return
        content = _text(said)[:size]
        if name == "pwrite64":
            file.write(int(said.rsplit(",", 1)[1]), content)
        else:
            found.offset = file.size if found.appends else found.offset
            file.write(found.offset, content)
            found.offset += size
        self.changes += 1

    def _synced(self, number: int) -> None:
        if number not in self._open:
            return
        path = self._open[number].path
        if path in self._directories:
            directory = self._directories[path]
            directory.durable = directory.names(len(directory.recent))
            directory.recent.clear()
        elif (file := self._file(number)) is not None:
            file.sync()
        self.changes += 1

    def _named_anew(self, old: Path, new: Path, *, moved: bool) -> None:
        file = self._now(old)
        if file is None:  # a directory: its files go with it
            self._move_directory(old, new)
            return
        self._directory(new.parent).recent.append((new.name, file))
        if moved:
            self._directory(old.parent).recent.append((old.name, None))
            for one in self._open.values():
                one.path = new if one.path == old else one.path
        self.changes += 1

    def _move_directory(self, old: Path, new: Path) -> None:
        for place in [place for place in self._directories if place.is_relative_to(old)]:
            self._directories[new / place.relative_to(old)] = self._directories.pop(place)

    # --- names -------------------------------------------------------------------------------

    def _directory(self, place: Path) -> _Directory:
        return self._directories.setdefault(place, _Directory())

    def _now(self, path: Path) -> _File | None:
        """The file of a name, as the program sees it."""
        directory = self._directories.get(path.parent)
        return None if directory is None else directory.names(len(directory.recent)).get(path.name)

    def _file(self, number: int) -> _File | None:
        return self._now(self._open[number].path) if number in self._open else None

    def _paths(self, said: str) -> list[Path]:
        """The paths in the arguments of a call, each below the directory named before it."""
        found = []
        for match in _STRING.finditer(said):
            path = Path(_bytes(match[1]).decode("utf-8", "surrogateescape"))
            before = re.search(r"(\d+), $", said[: match.start()])
            if not path.is_absolute() and before and int(before[1]) in self._open:
                path = self._open[int(before[1])].path / path
            found.append(path)
        return found


def _calls(trace: Path) -> Iterator[tuple[int, str, str, int]]:
    """Yield the calls of a trace as (thread, name, arguments, result), in the order of their ends.

    A sending counts from its begin: what was sent may be read before the call has returned.
    """
    begun: dict[str, str] = {}
    with trace.open(encoding="ascii") as lines:
        for line in lines:
            text = line.rstrip("\n")
            if match := _BEGUN.fullmatch(text):
                begun[match[1]] = match[2]
                if match[2].startswith("sendto("):
                    yield int(match[1]), "sendto", match[2], 0
                continue
            if match := _RESUMED.fullmatch(text):
                head = begun.pop(match[1], "")
                if not head or head.startswith("sendto("):
                    continue
                text = f"{match[1]} {head}{match[3]}"
            if match := _CALL.match(text):
                yield int(match[1]), match[2], match[3], int(match[4])


def _text(said: str) -> bytes:
    match = _STRING.search(said)
    return b"" if match is None else _bytes(match[1])


def is_over(trace: Path, pid: int) -> bool:
    """Whether the trace says that a process has ended, and so has all that it did."""
    with trace.open("rb") as file:
        file.seek(max(0, trace.stat().st_size - _END_BYTES))
        return re.search(rb"\b%d +\+\+\+ exited" % pid, file.read()) is not None


def _bytes(escaped: str) -> bytes:
    return bytes.fromhex(escaped.replace("\\x", ""))
