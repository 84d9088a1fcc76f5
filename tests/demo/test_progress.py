"""What people see of running jobs."""

import pytest

from scrapy_do.demo.progress import Progress, progress_display


def _progress(state: str, items: int) -> dict[str, Progress]:
    return {"1": Progress(spider="books", state=state, items=items, expected_items=40)}


def test_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal there is one plain line for each change of state."""
    with progress_display(on_terminal=False) as show:
        for state, items in (("PENDING", 0), ("RUNNING", 0), ("RUNNING", 7), ("SUCCESSFUL", 40)):
            show(_progress(state, items))
    assert capsys.readouterr().out.splitlines() == [
        "  books           PENDING        0 items",
        "  books           RUNNING        0 items",
        "  books           SUCCESSFUL    40 items",
    ]


def test_bars(capsys: pytest.CaptureFixture[str]) -> None:
    """On a terminal there is one bar for each job, which ends with its last numbers."""
    with progress_display(on_terminal=True) as show:
        show(_progress("RUNNING", 7))
        show(_progress("SUCCESSFUL", 40))
    shown = capsys.readouterr().out
    assert shown.count("books") == 1
    assert "40 items  SUCCESSFUL" in shown
