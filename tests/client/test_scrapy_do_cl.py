"""The client of Scrapy Do 0.5: the same words, the same standard output."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from scrapy_do.client.scrapy_do_cl import main
from tests.client.golden_cl import CALLS, GOLDEN, place, recorded, served

pytestmark = pytest.mark.live

RECORDED = GOLDEN.read_text(encoding="utf-8").removeprefix("$ ").split("\n$ ")


@pytest.fixture(name="url", scope="module")
def _url() -> Iterator[str]:
    with served() as url:
        yield url


@pytest.mark.parametrize("number", range(len(CALLS)), ids=[call or "nothing" for call in CALLS])
def test_the_output_is_the_original_one(
    url: str,
    number: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Byte for byte what 0.5.0 has printed, and its exit code."""
    place(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    code: object = 0
    try:
        main(["--url", url, *shlex.split(CALLS[number])])
    except SystemExit as ended:
        code = ended.code
    assert isinstance(code, int)
    shown = recorded(CALLS[number], code, capsys.readouterr().out, tmp_path)
    assert shown.removeprefix("$ ").rstrip("\n") == RECORDED[number].rstrip("\n")


def test_its_file_is_read(
    url: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Address and format come from `.scrapy-do.cfg`; options go first."""
    monkeypatch.setenv("HOME", str(tmp_path))
    text = f"[scrapy-do]\nurl = {url}\nprint-format = simple\nusername = ann\npassword = x%y\n"
    (tmp_path / ".scrapy-do.cfg").write_text(text.replace("%", "%%"))
    main(["list-projects"])
    assert capsys.readouterr().out.splitlines()[:2] == ["name", "---------"]
    main(["--print-format", "psql", "list-projects"])
    assert capsys.readouterr().out.splitlines()[1] == "| name      |"


def test_no_daemon(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where nobody listens it says so as it says everything, and ends with 1."""
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(SystemExit) as ended:
        main(["--url", "http://127.0.0.1:1", "status"])
    assert ended.value.code == 1
    assert capsys.readouterr().out.startswith("[!] Server responded with an error: no daemon at")
