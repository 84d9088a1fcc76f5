"""Whatever a project does to logging: the outcome, the counts and the captured log stay."""

import pytest

from tests.launchers.harness import RealHarness, on_reactor, records

pytestmark = pytest.mark.live


@pytest.mark.parametrize(
    ("way", "settings"),
    [
        ("force", {}),
        ("configure", {}),
        ("disable", {}),
        ("strip", {}),
        ("leave", {"LOG_ENABLED": False}),
        ("leave", {"LOG_INSTALL_ROOT_HANDLER": False}),
        ("leave", {"LOG_FILE": "/dev/stdout"}),
    ],
)
@on_reactor
async def test_disturbed_logging(real: RealHarness, way: str, settings: dict[str, object]) -> None:
    """The first and the last line are there, the error counts once, so the job fails."""
    spec = real.spec("disturbing", project="odd", arguments={"way": way}, settings=settings)
    ending = await real.run(spec)

    lines = records(spec.placement.log)
    said = [line["message"] for line in lines]
    assert "Scrapy" in said[0]
    assert said[-1] == "[scrapy.core.engine] Spider closed (finished)"
    assert "[disturbing] an info line" in said
    assert [line for line in lines if line["level"] >= 40] == [
        {**lines[said.index("[disturbing] an error line")], "level": 40}
    ]
    assert (ending.progress.errors, ending.progress.log_lines) == (1, len(lines))


@on_reactor
async def test_the_level_of_a_project(real: RealHarness) -> None:
    """LOG_LEVEL of a project is for `err`; the captured log begins at INFO all the same."""
    quiet = real.spec("quiet", project="odd", arguments={"way": "leave"})
    await real.run(quiet)

    said = [line["message"] for line in records(quiet.placement.log)]
    assert "[quiet] an info line" in said
    assert "[quiet] an error line" in said
    assert "line" not in quiet.placement.err.read_text()


@pytest.mark.parametrize(
    ("spider", "setting"), [("disturbing", "LOG_FILE"), ("filing", "FILING_PATH")]
)
@pytest.mark.parametrize("path", ["scrapy.log", "logs/new/scrapy.log", "/dev/null/scrapy.log"])
@on_reactor
async def test_a_log_file(real: RealHarness, spider: str, setting: str, path: str) -> None:
    """The log is in `err` and captured once, and in the file too where it can be written."""
    settings = {setting: path}
    spec = real.spec(spider, project="odd", arguments={"way": "leave"}, settings=settings)
    ending = await real.run(spec)

    log = spec.placement.err.read_text()
    assert (ending.status, ending.close_reason) == (0, "finished")
    assert log.count("an error line") == 1
    assert [line["message"] for line in records(spec.placement.log) if line["level"] >= 40] == [
        f"[{spider}] an error line"
    ]
    if path.startswith("/dev"):
        assert f"LOG_FILE {path} cannot be written" in log
    else:
        assert "an error line" in (spec.placement.project_dir / path).read_text()
