"""Tries what a crawl must not be able to do, and what it must."""

import ctypes
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import scrapy

_libc = ctypes.CDLL(None, use_errno=True)
_ATTACH, _DETACH = 16, 17


def _parents():
    """The processes above this one, up to the first of all."""
    found, pid = [], os.getpid()
    while pid > 1:
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        found.append(pid)
    return found


def _attach(pid):
    if _libc.ptrace(_ATTACH, pid, None, None) != 0:
        raise PermissionError(ctypes.get_errno(), "ptrace")
    os.waitpid(pid, 0)
    _libc.ptrace(_DETACH, pid, None, None)


def _through_link(target):
    link = Path("link")
    link.symlink_to(target)
    return link.read_bytes()


def _in_a_child(target):
    return subprocess.run(["cat", target], capture_output=True, check=True).stdout


def _by_descriptor(target):
    """Go by a directory that was open before."""
    for name in os.listdir("/proc/self/fd"):
        directory = os.readlink(f"/proc/self/fd/{name}")
        if Path(target).parent == Path(directory):
            descriptor = os.open(Path(target).name, os.O_RDONLY, dir_fd=int(name))
            return os.read(descriptor, 1)
    raise PermissionError(0, "no such directory is open")


def _moved(target):
    os.rename(target, "taken")
    os.rename("taken", target)


def _inherited(name):
    """Look for a variable where the kernel has put those that a program was started with."""
    if name.encode() not in Path("/proc/self/environ").read_bytes():
        raise PermissionError(0, "it was not handed on")


def _mounted():
    place = tempfile.mkdtemp()
    subprocess.run(["mount", "-t", "tmpfs", "none", place], capture_output=True, check=True)
    subprocess.run(["umount", place], check=True)


class Prying(scrapy.Spider):
    """Yields for each probe whether it succeeded."""

    name = "prying"

    async def start(self):
        for name, probe in {**self.forbidden(), **self.allowed()}.items():
            try:
                probe()
                yield {"probe": name, "done": True, "problem": ""}
            except Exception as error:
                yield {"probe": name, "done": False, "problem": repr(error)}

    def forbidden(self):
        data, other, daemon = Path(self.data), Path(self.other), int(self.daemon)
        database, outside = data / "scrapy-do.db", Path(self.outside)
        holder = _parents()[0]
        return {
            "read database": lambda: database.read_bytes(),
            "read database in a child": lambda: _in_a_child(database),
            "read database through a link": lambda: _through_link(database),
            "read database by a descriptor": lambda: _by_descriptor(database),
            "link database": lambda: os.link(database, "database"),
            "move database": lambda: _moved(database),
            "write database": lambda: database.open("r+b"),
            "empty database": lambda: os.truncate(database, database.stat().st_size),
            "list data directory": lambda: os.listdir(data),
            "read log of another job": lambda: (other / "err").read_bytes(),
            "write log of another job": lambda: (other / "err").open("ab"),
            "read secrets": lambda: Path(self.secret).read_bytes(),
            "make a file in the data directory": lambda: (data / "stranger").touch(),
            "make a directory beside the own": lambda: Path("../../stranger").mkdir(),
            "read records of the holder": lambda: os.listdir(data / "runs" / "active"),
            "write outside": lambda: outside.write_text("x"),
            "write into the interpreter": lambda: Path(scrapy.__file__).open("r+b"),
            "memory of the daemon": lambda: Path(f"/proc/{daemon}/mem").open("rb"),
            "environment of the daemon": lambda: Path(f"/proc/{daemon}/environ").read_bytes(),
            "files of the daemon": lambda: os.readlink(f"/proc/{daemon}/fd/0"),
            "what the daemon was started with": lambda: _inherited("DAEMONS_SECRET"),
            "debug the daemon": lambda: _attach(daemon),
            "signal the daemon": lambda: os.kill(daemon, signal.SIGCONT),
            "signal the holder": lambda: os.kill(holder, signal.SIGCONT),
            "memory of the holder": lambda: Path(f"/proc/{holder}/mem").open("rb"),
            "disks": lambda: os.listdir("/dev"),
            "mount": _mounted,
            "set parameters of the kernel": lambda: Path("/proc/sys/kernel/hostname").open("r+"),
        }

    def allowed(self):
        return {
            "write into the current directory": lambda: Path("out.json").write_text("x"),
            "write beside the module": lambda: Path(__file__).with_name("seen").write_text("x"),
            "write at home": lambda: (Path.home() / "x").write_text("x"),
            "temporary file": lambda: tempfile.NamedTemporaryFile().write(b"x"),
            "data between runs": lambda: (Path(os.environ["SPIDER_DATA_DIR"]) / "x").touch(),
            "move from home to data": self._move,
            "read what lies outside": lambda: Path(self.readable).read_text(),
            "write where it may": lambda: (Path(self.writable) / "x").write_text("x"),
            "read what belongs to the system": lambda: Path("/etc/hosts").read_text(),
            "look up a name": lambda: socket.getaddrinfo("localhost", 80),
            "a child": lambda: subprocess.run([sys.executable, "-c", ""], check=True),
            "signal a child": self._signal_a_child,
            "a lock between processes": multiprocessing.Lock,
            "a process": self._process,
            "a thread": self._thread,
            "its own name to the system": lambda: Path("/proc/self/comm").write_text("x"),
            "forget what is written": lambda: Path("/dev/null").write_text("x"),
            "chance": lambda: Path("/dev/urandom").open("rb").read(1),
            "an own device": lambda: os.openpty(),
            "import what was not imported": lambda: __import__("wave"),
        }

    def _move(self):
        made = Path.home() / "made"
        made.write_text("x")
        shutil.move(made, Path(os.environ["SPIDER_DATA_DIR"]) / "made")

    def _signal_a_child(self):
        with subprocess.Popen(["sleep", "60"]) as child:
            child.terminate()
        assert child.returncode == -signal.SIGTERM

    def _process(self):
        child = multiprocessing.get_context("spawn").Process(target=print)
        child.start()
        child.join()
        assert child.exitcode == 0

    def _thread(self):
        done = []
        thread = threading.Thread(target=lambda: done.append(1))
        thread.start()
        thread.join()
        assert done
