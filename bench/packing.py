"""Packs the project that is crawled with, as each system wants it."""

import os
import zipfile
from pathlib import Path

PROJECT = "measured"
SOURCE = Path(__file__).parent / "project"
BALLAST_FILES = 5

_METADATA = {
    "EGG-INFO/PKG-INFO": f"Metadata-Version: 1.0\nName: {PROJECT}\nVersion: 1.0\n",
    "EGG-INFO/entry_points.txt": f"[scrapy]\nsettings = {PROJECT}.settings\n",
    "EGG-INFO/top_level.txt": f"{PROJECT}\n",
    "EGG-INFO/zip-safe": "\n",
}


def pack_zip(target: Path, *, ballast_bytes: int = 0, modules: int = 0) -> Path:
    """Pack a zip; ballast is data that does not get smaller, modules are beside those in use."""
    with _archive(target, ballast_bytes) as archive:
        archive.write(SOURCE / "scrapy.cfg", "scrapy.cfg")
        for number in range(modules):
            archive.write(__file__, f"{PROJECT}/beside{number // 25}/module{number}.py")
    return target


def pack_egg(target: Path, *, ballast_bytes: int = 0) -> Path:
    """Pack an egg."""
    with _archive(target, ballast_bytes) as archive:
        for name, text in _METADATA.items():
            archive.writestr(name, text)
    return target


def _archive(target: Path, ballast_bytes: int) -> zipfile.ZipFile:
    archive = zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED)
    for path in sorted((SOURCE / PROJECT).rglob("*.py")):
        archive.write(path, path.relative_to(SOURCE))
    for number in range(BALLAST_FILES if ballast_bytes else 0):
        archive.writestr(f"{PROJECT}/ballast{number}", os.urandom(ballast_bytes // BALLAST_FILES))
    return archive
