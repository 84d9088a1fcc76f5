"""The line that says how far a job is that is watched."""

from scrapy_do.client.commands.jobs import progress_text


def test_the_rate_is_of_what_is_seen() -> None:
    """Of a job that ran before it is watched, only what comes meanwhile has a rate."""
    stats = {"items": 150, "responses": 200}
    assert progress_text(stats, before=100, took_s=60) == "items 150 · pages 200 · 50/min · 1m"
    assert progress_text(stats, before=150, took_s=0.5) == "items 150 · pages 200 · 0/min · 0s"
