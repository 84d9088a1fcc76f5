"""The checker of histories finds every lie it is there for."""

from typing import Any

import pytest

from tests.faults.history import HOLDER_DIED, KILLED, History, Mark

ID = "11111111-1111-1111-1111-111111111111"
OTHER = "22222222-2222-2222-2222-222222222222"
RUN = [Mark(word="start", run=f"{ID}.1"), Mark(word="end", run=f"{ID}.1")]
OUTPUT = "start x\nend x\n"


def job(**fields: Any) -> dict[str, Any]:
    return {
        "identifier": ID,
        "description": "call-0",
        "status": "SUCCESSFUL",
        "outcome-reason": "finished",
        "items": 3,
        **fields,
    }


def history(**done: Any) -> History:
    made = History()
    made.ask(id=ID, **done)
    return made


def test_a_true_history() -> None:
    """A job that was acknowledged, ran once and says so is no fault."""
    assert history().faults([job()], RUN, {ID: OUTPUT}) == []


def test_an_unanswered_call() -> None:
    """A call without an answer may have made a job or not."""
    made = History()
    made.ask()

    assert made.faults([], [], {}) == []
    assert made.faults([job()], RUN, {ID: OUTPUT}) == []


@pytest.mark.parametrize(
    ("done", "status", "reason", "marks"),
    [
        ({"end": "exit"}, "FAILED", "exit status 3", RUN),
        ({"end": "crash"}, "FAILED", "killed by signal 11", RUN),
        ({"crawl_killed": True}, "FAILED", KILLED, RUN[:1]),
        ({"crawl_killed": True}, "FAILED", KILLED, []),
        ({"crawl_killed": True}, "SUCCESSFUL", "finished", RUN),
        ({"holder_killed": True}, "FAILED", HOLDER_DIED, RUN[:1]),
        ({"holder_killed": True}, "FAILED", HOLDER_DIED, RUN),
        ({"holder_killed": True}, "FAILED", HOLDER_DIED, []),
        ({"cancel": "acknowledged"}, "CANCELED", "cancelled", []),
        ({"cancel": "unanswered"}, "SUCCESSFUL", "finished", RUN),
        ({"cancel": "unanswered"}, "CANCELED", "cancelled", RUN[:1]),
        ({"stops": 1}, "SUCCESSFUL", "finished", RUN[:1] + RUN),
    ],
)
def test_disturbed_but_true(
    done: dict[str, Any], status: str, reason: str, marks: list[Mark]
) -> None:
    """What was done to a job explains how it ended."""
    ended = job(status=status, **{"outcome-reason": reason})
    output = "".join(f"{mark.word} x\n" for mark in marks)

    assert history(**done).faults([ended], marks, {ID: output}) == []


@pytest.mark.parametrize(
    ("done", "jobs", "marks", "output", "fault"),
    [
        ({}, [], [], "", f"call-0: the acknowledged job {ID} is lost"),
        ({}, [job(), job(identifier=OTHER)], RUN, OUTPUT, "call-0: one call made 2 jobs"),
        ({"refused": (503, "busy")}, [job()], RUN, OUTPUT, "it was refused"),
        ({}, [job()], RUN[:1] + RUN, OUTPUT, "started 2 times"),
        ({}, [job(status="RUNNING")], RUN, OUTPUT, "RUNNING (finished) after"),
        ({}, [job()], RUN[:1], OUTPUT, "SUCCESSFUL (finished) after ['start']"),
        ({}, [job()], [], "", "SUCCESSFUL (finished) after []"),
        ({}, [job(items=2)], RUN, OUTPUT, "2 items instead of 3"),
        ({}, [job()], RUN, "end x\n", "the output was cut"),
        ({}, [job()], RUN, "x\nstart x\nend x\n", "the output begins with 'x'"),
        ({}, [job(), job(description="?", identifier=OTHER)], RUN, OUTPUT, "nobody asked for it"),
        ({}, [job()], [*RUN, Mark(word="start", run=f"{OTHER}.1")], OUTPUT, "ran, but is no job"),
        ({"cancel": "acknowledged"}, [job()], RUN, OUTPUT, "SUCCESSFUL (finished) after"),
        ({"end": "exit"}, [job()], RUN, OUTPUT, "SUCCESSFUL (finished) after"),
        (
            {},
            [job(status="FAILED", **{"outcome-reason": KILLED})],
            RUN[:1],
            OUTPUT,
            f"FAILED ({KILLED}) after ['start']",
        ),
        (
            {"crawl_killed": True},
            [job(status="FAILED", **{"outcome-reason": HOLDER_DIED})],
            RUN[:1],
            OUTPUT,
            f"FAILED ({HOLDER_DIED}) after ['start']",
        ),
    ],
)
def test_lies_are_found(
    done: dict[str, Any], jobs: list[dict[str, Any]], marks: list[Mark], output: str, fault: str
) -> None:
    """Lost, doubled, untrue, cut: each is named."""
    found = history(**done).faults(jobs, marks, {ID: output})

    assert fault in "\n".join(found)


def test_pushes() -> None:
    """A version that was acknowledged must be there, once; any other may be."""
    made = History()
    made.pushed = {"a": True, "b": False, "c": True}

    assert made.push_faults(["first", "a", "c"]) == []
    assert made.push_faults(["b", "b", "c"]) == [
        "the acknowledged version a is lost",
        "the version b is there twice",
    ]
