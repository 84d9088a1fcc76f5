"""The environments of what we compare with, made from the package index and kept."""

import subprocess
import venv
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parent.parent / ".bench"
SCRAPYD = "1.6.0"
SCRAPYDWEB = "1.6.0"


def python_of_scrapy() -> Path:
    """The interpreter of an environment with nothing but our version of Scrapy."""
    return _made("scrapy", f"scrapy=={version('scrapy')}")


def python_of_scrapyd() -> Path:
    """The interpreter of an environment with scrapyd, and the same Scrapy.

    scrapyd reads its eggs with `pkg_resources`, which later setuptools have not.
    """
    return _made("scrapyd", f"scrapyd=={SCRAPYD}", f"scrapy=={version('scrapy')}", "setuptools<81")


def python_of_scrapy_do_05() -> Path:
    """The interpreter of an environment with Scrapy Do 0.5.0, whose client we stand in for."""
    return _made("scrapy-do", "scrapy-do==0.5.0", "setuptools<81")


def python_of_scrapydweb() -> Path:
    """The interpreter of an environment with scrapydweb."""
    return _made("scrapydweb", f"scrapydweb=={SCRAPYDWEB}", "setuptools<81")


def _made(name: str, *requirements: str) -> Path:
    root = ROOT / name
    python = root / "bin" / "python"
    done = root / "requirements"
    wanted = "\n".join(requirements)
    if done.is_file() and done.read_text() == wanted:
        return python
    print(f"making an environment with {', '.join(requirements)}", flush=True)
    venv.create(root, clear=True, with_pip=True)
    install = [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    subprocess.run([*install, *requirements], check=True)
    done.write_text(wanted)
    return python
