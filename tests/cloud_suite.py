"""Runs the own tests of Scrapy Cloud's official client against a daemon of ours, unmodified.

    python -m tests.cloud_suite CHECKOUT [words for pytest ...]

CHECKOUT is a checkout of github.com/scrapinghub/python-scrapinghub. It is copied, so nothing in
it is changed; what its tests need is installed into an environment of its own, once. They run
live, without the recorded answers that they have: project 2222222 is made for them, an
administrator's key that is a member of no project, and a second key that is a member of all.
"""

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.live.compat import environment
from tests.live.running import Running, running

PROJECT = "2222222"
SPIDER = "hs-test-spider"
COLLECTION = "test_collection_123"
_REQUIREMENTS = ("tests/requirements.txt", "tests/requirements-msgpack.txt")
_CLIENT_NEEDS = ("python-dotenv>=1", "requests", "retrying>=1.3.3", "six>=1.10")
_NO_CHECKOUT = 2


def run(checkout: Path, words: Sequence[str]) -> int:
    """Run the suite of a checkout; return the exit status of pytest."""
    with TemporaryDirectory(prefix="cloud-suite-") as directory:
        root = Path(directory)
        suite = root / "suite"
        shutil.copytree(checkout, suite, ignore=shutil.ignore_patterns(".git"))
        python = _installed(suite) / "python"
        user, administrator = (secrets.token_hex(16) for _ in range(2))
        keys = root / "api-keys"
        keys.touch(mode=0o600)
        keys.write_text(f"panel {administrator} administrator\nuser {user} all\n")
        options = {
            "SCRAPY_DO_WEB_AUTH": "on",
            "SCRAPY_DO_WEB_TOKEN": secrets.token_urlsafe(32),
            "SCRAPY_DO_WEB_API_KEYS": str(keys),
        }
        with running(root, options=options) as daemon:
            _make_project(daemon, administrator)
            return subprocess.run(
                [str(python), "-m", "pytest", "--ignore-cassettes", *(words or ("-q",))],
                cwd=suite,
                check=False,
                env={
                    "PATH": os.environ["PATH"],
                    "HOME": directory,
                    "HS_PROJECT_ID": PROJECT,
                    "HS_ENDPOINT": daemon.url,
                    "DASH_ENDPOINT": f"{daemon.url}/api/",
                    "HS_AUTH": administrator,
                    "AUTH": administrator,
                    "USER_AUTH": user,
                },
            ).returncode


def _installed(suite: Path) -> Path:
    """Return the `bin` of an environment with what the suite needs."""
    listed = [name for name in _REQUIREMENTS if (suite / name).exists()]
    words = [word for name in listed for word in ("-r", str(suite / name))]
    texts = "".join((suite / name).read_text() for name in listed)
    digest = sha256(texts.encode()).hexdigest()[:12]
    return environment(f"cloud-suite-{digest}", *_CLIENT_NEEDS, *words)


def _make_project(daemon: Running, key: str) -> None:
    """Give the project of the suite its number, its spider, and the collections of earlier runs."""
    auth = ("-f", "-u", f"{key}:")
    made = daemon.curl(f"/ids/{PROJECT}/spider/{SPIDER}?create=1", *auth)
    assert made == "1", made
    for kind in ("s", "cs", "vs", "vcs"):
        path = f"/collections/{PROJECT}/{kind}/{COLLECTION}"
        daemon.curl(path, *auth, "-d", '{"_key": "earlier"}')


if __name__ == "__main__":
    _, *given = sys.argv
    if not given or not (Path(given[0]) / "tests" / "hubstorage").is_dir():
        sys.stderr.write("give a checkout of github.com/scrapinghub/python-scrapinghub\n")
        sys.exit(_NO_CHECKOUT)
    sys.exit(run(Path(given[0]), given[1:]))
