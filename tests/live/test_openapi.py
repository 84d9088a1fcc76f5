"""A daemon answers as its OpenAPI document says, whatever schemathesis makes of that.

`OPENAPI_EXAMPLES` is how many requests are made up for an operation (`make openapi`: 100, and
besides the borders of every argument and chains of calls).
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.running import running

pytestmark = pytest.mark.live

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = os.environ.get("OPENAPI_EXAMPLES", "")
LEFT_OUT = (
    "/ui/",  # streams of events: they do not end
    "/push-project.json",  # a made-up archive is refused before anything is tried
)
HOW = (
    ("--phases", "examples,coverage,fuzzing,stateful", "--max-examples", EXAMPLES)
    if EXAMPLES
    else ("--phases", "fuzzing", "--max-examples", "3", "--seed", "1")
)


def test_no_answer_contradicts_the_document(tmp_path: Path) -> None:
    """No crash, no status, type or field that is not documented, nothing wrong accepted."""
    with running(tmp_path) as daemon:
        daemon.push("good", tmp_path)
        job = daemon.finished(daemon.run("noop"))["identifier"]
        schedules = [daemon.run("noop", when="every 5 hours") for _ in range(3)]
        names = {
            "project": ["good"],
            "spider": ["noop"],
            "version": ["1"],
            "job": [job],
            "schedule": schedules,
            "order": [job, *schedules],
            "job.log": [f"{job}.out", f"{job}.err"],
            "job.items": [f"{job}.jsonl"],
        }
        program = Path(sys.executable).with_name("schemathesis")
        done = subprocess.run(
            [
                *(program, "run", f"{daemon.url}/openapi.json", *HOW),
                *("--continue-on-failure", "--no-color"),
                *("--exclude-path-regex", f"^({'|'.join(LEFT_OUT)})"),
                # 400 is also what is not there: see the check that stands for this one.
                *("--exclude-checks", "positive_data_acceptance"),
            ],
            cwd=tmp_path,
            env={
                **os.environ,
                "SCHEMATHESIS_HOOKS": "tests.live.openapi_traffic",
                "OPENAPI_NAMES": json.dumps(names),
                "PYTHONPATH": str(ROOT),
            },
            capture_output=True,
            text=True,
            check=False,
        )

    assert done.returncode == 0, done.stdout + done.stderr
