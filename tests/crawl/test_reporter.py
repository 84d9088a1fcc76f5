"""Reports: sent when somebody listens, dropped when nobody does."""

import os
import socket
from pathlib import Path
from uuid import UUID

from scrapy_do.crawl.reporter import Reporter
from scrapy_do.protocol.wire import Report, ReportKind, decode_report

REPORT = Report(job_id=UUID(int=1), attempt=1, kind=ReportKind.OPENED, time_ms=1)


def bind(path: Path) -> socket.socket:
    """Listen at a path of any length."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    directory = os.open(path.parent, os.O_PATH)
    listener.bind(f"/proc/self/fd/{directory}/{path.name}")
    os.close(directory)
    return listener


def test_reports_survive_a_change_of_listeners(tmp_path: Path) -> None:
    """A report without a listener is dropped; the next listener gets the next report."""
    directory = tmp_path / ("long" * 40)
    directory.mkdir()
    path = directory / "reports.sock"
    reporter = Reporter(path)
    reporter.send(REPORT)
    for _ in range(2):
        with bind(path) as listener:
            reporter.send(REPORT)
            assert decode_report(listener.recv(65536)) == REPORT
        reporter.send(REPORT)
        path.unlink()
    reporter.send(REPORT)
    reporter.close()


def test_a_full_queue_does_not_block(tmp_path: Path) -> None:
    """When the listener does not read, reports are dropped and the sender goes on."""
    path = tmp_path / "reports.sock"
    with bind(path) as listener:
        reporter = Reporter(path)
        for _ in range(1000):
            reporter.send(REPORT)
        reporter.close()
        assert decode_report(listener.recv(65536)) == REPORT
