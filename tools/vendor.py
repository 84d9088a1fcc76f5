"""Fetches the vendored scripts and styles, or checks those that are there.

`python -m tools.vendor --registry URL` downloads the packages of `vendor.toml` from a package
registry, compares each with its integrity value and unpacks the files that are named, with
their licences. `python -m tools.vendor` alone only checks.
"""

import argparse
import base64
import hashlib
import io
import sys
import tarfile
import tomllib
import urllib.request
from pathlib import Path, PurePosixPath
from typing import Any

TOP = Path(__file__).parent.parent
LIST = Path(__file__).with_suffix(".toml")
VENDOR = TOP / "scrapy_do" / "ui" / "static" / "vendor"
HASHES = VENDOR / "SHA256SUMS"


def packages() -> list[dict[str, Any]]:
    """Return what `vendor.toml` lists."""
    listed: list[dict[str, Any]] = tomllib.loads(LIST.read_text(encoding="utf-8"))["package"]
    return listed


def wanted(package: dict[str, Any]) -> dict[str, str]:
    """Return the path inside the package for each name in our directory."""
    licence = f"{package['name']}.LICENSE"
    return {PurePosixPath(one).name: one for one in package["files"]} | {
        licence: package["licence"]
    }


def fetch(registry: str) -> None:
    """Download, compare and unpack every package, and write the hashes."""
    VENDOR.mkdir(parents=True, exist_ok=True)
    for package in packages():
        name, version = package["name"], package["version"]
        url = f"{registry.rstrip('/')}/{name}/-/{name}-{version}.tgz"
        with urllib.request.urlopen(url) as answer:
            archive = answer.read()
        digest = base64.b64encode(hashlib.sha512(archive).digest()).decode()
        if f"sha512-{digest}" != package["integrity"]:
            sys.exit(f"{name} {version} is not what vendor.toml says")
        with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
            for ours, theirs in wanted(package).items():
                member = packed.extractfile(f"package/{theirs}")
                if member is None:
                    sys.exit(f"{name} {version} has no file {theirs}")
                (VENDOR / ours).write_bytes(member.read())
    HASHES.write_text("".join(f"{one}\n" for one in sums()), encoding="utf-8")


def sums() -> list[str]:
    """Return a line for each vendored file: its SHA-256 and its name."""
    names = sorted(name for package in packages() for name in wanted(package))
    return [f"{hashlib.sha256((VENDOR / name).read_bytes()).hexdigest()}  {name}" for name in names]


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--registry", help="where packages are fetched from")
    registry = parser.parse_args().registry
    if registry is not None:
        fetch(registry)
    if sums() != HASHES.read_text(encoding="utf-8").splitlines():
        sys.exit(f"{VENDOR} does not hold what {HASHES.name} says")


if __name__ == "__main__":
    main()
