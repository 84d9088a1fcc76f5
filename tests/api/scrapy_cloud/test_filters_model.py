"""Filters of lists and counts, compared with a plain reading of the documents, at random."""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.api.scrapy_cloud.cloud_world import START_MS, CloudWorld, lines

SPIDERS = ("a", "b", "c")
TAGS = ("t1", "t2", "t3", "t 4")
STATES = ("pending", "running", "finished", "deleted")
JOBS = 60
QUESTIONS = 90


@dataclass(slots=True)
class Model:
    """A job as the documents see it. `order` grows with each change of a state."""

    key: str
    spider: str
    state: str
    tags: list[str]
    ts: int
    order: int


def make_jobs(world: CloudWorld, rng: random.Random) -> list[Model]:
    """Push jobs in random states and move some on; return what must then be there."""
    jobs: list[Model] = []
    order = last = 0

    def moment() -> int:
        """When what is done now has happened: later than all before it."""
        nonlocal last
        last = max(now_ms(world), last + 1)
        return last

    for _ in range(JOBS):
        tags = rng.sample(TAGS, rng.randrange(2))
        spider, state = rng.choice(SPIDERS), rng.choice(STATES)
        key = world.push(spider, state=state, tags=tags)
        jobs.append(Model(key, spider, state, tags, moment(), order := order + 1))
        world.clock.advance(rng.choice((0, 0.001, 0.05)))
        job = rng.choice(jobs)
        target = rng.choice(STATES)
        if rng.random() < 0.5 and STATES.index(target) > STATES.index(job.state):
            world.update({"key": job.key, "state": target})
            job.state, job.ts, job.order = target, moment(), (order := order + 1)
    return jobs


def now_ms(world: CloudWorld) -> int:
    return START_MS + int(world.clock.seconds() * 1000 + 0.001)


def random_filters(rng: random.Random) -> dict[str, Any]:
    filters: dict[str, Any] = {}
    if rng.random() < 0.7:
        filters["state"] = rng.sample(STATES, rng.randrange(1, 4))
    if rng.random() < 0.4:
        filters["spider"] = rng.choice((*SPIDERS, "unknown"))
    if rng.random() < 0.4:
        filters["has_tag"] = rng.sample((*TAGS, "unknown"), rng.randrange(1, 3))
    if rng.random() < 0.3:
        filters["lacks_tag"] = rng.sample(TAGS, rng.randrange(1, 3))
    return filters


def random_times(rng: random.Random, jobs: list[Model]) -> dict[str, Any]:
    return {
        name: rng.choice(jobs).ts + rng.randrange(-1, 2)
        for name in ("startts", "endts")
        if rng.random() < 0.3
    }


def matching(jobs: list[Model], filters: dict[str, Any], usual: tuple[str, ...]) -> list[str]:
    """Read the documents plainly: the keys that match, the most recent change first."""
    found = [
        job
        for job in jobs
        if job.state in filters.get("state", usual)
        and filters.get("spider", job.spider) == job.spider
        and ("has_tag" not in filters or set(filters["has_tag"]) & set(job.tags))
        and not set(filters.get("lacks_tag", ())) & set(job.tags)
        and filters.get("startts", 0) <= job.ts < filters.get("endts", float("inf"))
        and job.key in filters.get("keys", [job.key])
    ]
    return [job.key for job in sorted(found, key=lambda job: -job.order)]


@pytest.mark.parametrize("seed", range(2))
def test_the_queue_says_what_the_documents_say(tmp_path: Path, seed: int) -> None:
    """Count, list with pages and stop, and summaries agree with the model."""
    rng = random.Random(seed)
    world = CloudWorld(tmp_path)
    client = world.client()
    jobs = make_jobs(world, rng)
    for _ in range(QUESTIONS):
        filters = random_filters(rng) | random_times(rng, jobs)
        expected = matching(jobs, filters, ("finished",))
        query = urlencode(filters, doseq=True)
        assert client.get(f"/jobq/2/count?{query}").json == len(expected), query
        page = {"start": rng.randrange(5), "count": rng.choice((0, 1, 7, 1000))}
        stop = rng.choice(jobs).key
        cut = expected[page["start"] :][: page["count"]]
        if stop in cut and rng.random() < 0.5:
            page["stop"] = stop  # type: ignore[assignment]  # a key among numbers
            cut = cut[: cut.index(stop)]
        answer = lines(client.get(f"/jobq/2/list?{query}&{urlencode(page)}"))
        assert [row["key"] for row in answer] == cut, (query, page)
    for name, queue in zip(STATES, lines(client.get("/jobq/2/summary?count=7")), strict=False):
        expected = matching(jobs, {"state": [name]}, ())
        found = (queue["name"], queue["count"], [row["key"] for row in queue["summary"]])
        assert found == (name, len(expected), expected[:7])


@pytest.mark.parametrize("seed", range(2))
def test_dash_says_what_the_documents_say(tmp_path: Path, seed: int) -> None:
    """Lists, counts and changes of tags agree with the model, also one after another."""
    rng = random.Random(1000 + seed)
    world = CloudWorld(tmp_path)
    client = world.client()
    jobs = make_jobs(world, rng)
    for _ in range(QUESTIONS // 3):
        filters = random_filters(rng)
        if rng.random() < 0.3:
            filters["keys"] = [job.key for job in rng.sample(jobs, 5)]
        usual = STATES if "keys" in filters else STATES[:3]
        expected = matching(jobs, filters, usual)
        named = {("job" if name == "keys" else name): filters[name] for name in filters}
        query = urlencode({"project": 2, **named}, doseq=True)
        offset, count = rng.randrange(4), rng.choice((1, 5, 1000))
        answer = client.get(f"/api/jobs/list.json?{query}&offset={offset}&count={count}").json
        assert (answer["total"], [row["id"] for row in answer["jobs"]]) == (
            len(expected),
            expected[offset:][:count],
        ), query
        added, removed = rng.sample(TAGS, rng.randrange(3)), rng.sample(TAGS, rng.randrange(2))
        if not named or not (added or removed):
            continue
        form = {"project": "2", **named, "add_tag": added, "remove_tag": removed}
        update = client.post("/api/jobs/update.json", form=form)
        assert update.json == {"status": "ok", "count": len(expected)}
        for job in jobs:
            if job.key in expected:
                kept = [tag for tag in job.tags if tag not in removed]
                job.tags = list(dict.fromkeys([*kept, *added]))
    for job in jobs:
        assert world.metadata(job.key).get("tags", []) == job.tags
