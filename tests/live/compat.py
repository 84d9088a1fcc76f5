"""Client programs of others, each installed once from the package index, by itself."""

import shutil
import subprocess
import sys
from pathlib import Path

INSTALLED = Path(__file__).parent.parent.parent / ".compat"


def environment(name: str, *packages: str) -> Path:
    """Return the `bin` directory of an environment with these packages, made if it is not there.

    `name` is the directory's: it must tell the versions, since it is never renewed.
    """
    root = INSTALLED / name
    complete = root / "complete"
    if not complete.exists():
        shutil.rmtree(root, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(root)], check=True)
        pip = [str(root / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, *packages], check=True)
        complete.touch()
    return root / "bin"
