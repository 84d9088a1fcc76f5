"""What spiders need of the process they run in works in both: forked, and started anew."""

import http.server
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from scrapy.settings import default_settings

from tests.launchers.harness import RealHarness, on_reactor, records
from tests.live.test_secure import certificate

pytestmark = pytest.mark.live


class _Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = f"page {self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def secure_site(tmp_path: Path) -> Iterator[str]:
    """A server on localhost that speaks HTTPS only."""
    certificate(tmp_path, "test")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Pages)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    yield f"https://localhost:{server.server_port}"
    server.shutdown()
    serving.join()
    server.server_close()


@on_reactor
async def test_https_and_names(real: RealHarness, secure_site: str) -> None:
    """Pages come over TLS, their server is looked up by name, in a thread."""
    spec = real.spec("https", project="secure", arguments={"url": secure_site, "pages": "3"})
    ending = await real.run(spec)

    found = sorted(records(spec.placement.items), key=lambda item: str(item["page"]))
    assert ending.close_reason == "finished"
    assert [item["page"] for item in found] == ["page /0", "page /1", "page /2"]
    assert {item["certificate"] for item in found} == {"Certificate"}
    assert {item["address"] for item in found} == {"127.0.0.1"}
    assert all(item["threads"] > 1 for item in found)


BROWSER = {
    "ready": True,
    "rendered": "DATA:TEXT/PLAIN,X",
    "thread": 45,
    "short": 3,
    "end": -15,
}
OLD_PROCESS = {
    "process": ["CrawlerProcess"],
    "reactor": "AsyncioSelectorReactor",
    "thread": "in a thread",
    "child": "a child\n",
}
NO_REACTOR = {"reactor": False, "loop": "_UnixSelectorEventLoop"}
needs_a_reactor = pytest.mark.skipif(
    not hasattr(default_settings, "TWISTED_REACTOR_ENABLED"),
    reason="this version of Scrapy needs a reactor",
)


@pytest.mark.parametrize(
    ("project", "spider", "expected"),
    [
        pytest.param("browsing", "browser", BROWSER, id="another program, children and threads"),
        pytest.param("deferring", "deferreds", OLD_PROCESS, id="CrawlerProcess, by the settings"),
        pytest.param("reactorless", "loop", NO_REACTOR, marks=needs_a_reactor, id="no reactor"),
    ],
)
@on_reactor
async def test_a_need(
    real: RealHarness, project: str, spider: str, expected: dict[str, object]
) -> None:
    """A spider says what it has got, and that is what its project needs."""
    spec = real.spec(spider, project=project)
    ending = await real.run(spec)

    (item,) = records(spec.placement.items)
    assert ending.close_reason == "finished"
    assert item == {**expected, "_type": "dict"}
