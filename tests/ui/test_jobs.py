"""The list of jobs: search, states with counts, pages, twins, and what is done to all of them."""

import re
from pathlib import Path
from urllib.parse import parse_qs, quote
from uuid import UUID

import pytest

from scrapy_do.core.job import Finished, Outcome
from tests.ui.browsing import Pages
from tests.world import World

LINK = re.compile(r'<a href="/ui/jobs/([0-9a-f-]{36})">')


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path).start()
    world.put_project("quotesbot", "toscrape-css", "toscrape-xpath")
    return world


def _listed(page: str) -> list[UUID]:
    return [UUID(found) for found in LINK.findall(page)]


def _cancelled(world: World, count: int, **fields: object) -> list[UUID]:
    """Return jobs that were cancelled while they were queued, the newest change first."""
    ids = [world.enqueue(**fields) for _ in range(count)]
    for job in ids:
        world.do(world.jobs.cancel(job, by="tester", wait_s=0))
    world.pass_time(60)
    return ids[::-1]


def test_a_search_narrows_the_list_and_the_counts(world: World) -> None:
    """Rows and the numbers at the states are those of the search."""
    css = [world.enqueue(tags=("eu",)) for _ in range(2)]
    world.enqueue(spider="toscrape-xpath")

    page = Pages(world).get("/ui/jobs?q=tag:eu")

    assert set(_listed(page)) == set(css)
    assert 'All <span class="soft">2</span>' in page
    assert 'Running <span class="soft">2</span>' in page


def test_what_is_wrong_in_a_search_is_marked(world: World) -> None:
    """The part that means nothing is underlined, with an example beside it."""
    answer = Pages(world).answer("/ui/jobs?q=toscrape-css%20state:broken")

    assert answer.status == 400
    assert 'toscrape-css <mark class="wrong">state:broken</mark>' in answer.text
    assert "spider:books state:failed since:2d tag:eu" in answer.text


def test_pages_lead_through_all_jobs_and_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Older and Newer meet every job once, whatever is added meanwhile."""
    monkeypatch.setattr("scrapy_do.ui.pages.jobs.ROWS", 3)
    jobs = _cancelled(world, 8)
    pages = Pages(world)

    def link(page: str, rel: str) -> str:
        found = re.search(rf'rel="{rel}" href="([^"]*)"', page)
        return found[1].replace("&amp;", "&") if found else ""

    first = pages.get("/ui/jobs?q=state:cancelled")
    second = pages.get(link(first, "next"))
    _cancelled(world, 1)
    third = pages.get(link(second, "next"))

    assert _listed(first) + _listed(second) + _listed(third) == jobs
    assert "1 new job, show" in third
    assert link(third, "next") == ""
    assert _listed(pages.get(link(third, "prev"))) == _listed(second)
    assert link(first, "prev") == ""


def test_twins_have_the_rows_of_the_page(world: World) -> None:
    """JSON and CSV answer the same search; a cell is never a formula."""
    job = world.enqueue(arguments={"=x": "1"}, tags=("eu",))
    pages = Pages(world)

    (row,) = pages.answer("/ui/jobs.json?q=tag:eu").json["jobs"]
    table = pages.get("/ui/jobs.csv?q=tag:eu").splitlines()

    assert (row["id"], row["state"], row["arguments"]) == (str(job), "running", {"=x": "1"})
    assert table[0].startswith("id,key,state,project,spider")
    assert table[1].startswith(f"{job},1/1/1,running,quotesbot,toscrape-css")


@pytest.mark.parametrize(
    ("action", "question", "lost"),
    [
        ("cancel", "Cancel 3 jobs?", "Queued jobs will not run."),
        ("delete", "Delete 2 jobs?", "Nothing of it can be brought back."),
        ("again", "Run again 2 jobs?", "once more"),
    ],
)
def test_a_question_says_what_is_lost(world: World, action: str, question: str, lost: str) -> None:
    """Before anything is done the page says to how many jobs, and what goes with them."""
    _cancelled(world, 2, tags=("eu",))
    for _ in range(3):
        world.enqueue(tags=("eu",))
    world.enqueue()

    page = Pages(world).get(f"/ui/jobs/bulk?do={action}&q=tag:eu")

    assert f"<h1>{question}</h1>" in page
    assert lost in page
    assert "that match &#39;tag:eu&#39;" in page


def test_all_jobs_of_a_search_are_cancelled(world: World) -> None:
    """Those of the search end, what came after the question does not; the page says how many."""
    meant = [world.enqueue(tags=("eu",)) for _ in range(3)]
    other = world.enqueue()
    upto = max(world.job(job).sequence for job in meant)
    later = world.enqueue(tags=("eu",))

    pages = Pages(world)
    answer = pages.post("/ui/jobs/bulk", form={"do": "cancel", "q": "tag:eu", "upto": str(upto)})
    world.pass_time(60)

    assert answer.status == 303
    assert "3 jobs cancelled." in pages.get(answer.headers["location"])
    assert {world.state(job).outcome for job in meant} == {Outcome.CANCELED}
    assert not isinstance(world.state(other), Finished)
    assert not isinstance(world.state(later), Finished)


def test_all_jobs_of_a_search_are_deleted_or_run_again(world: World) -> None:
    """Ended jobs are ordered once more with their arguments; then they go with their files."""
    (job,) = _cancelled(world, 1, arguments={"category": "books"})
    world.artifacts.prepare(job)
    upto = str(world.job(job).sequence)
    pages = Pages(world)

    pages.post("/ui/jobs/bulk", form={"do": "again", "q": "state:cancelled", "upto": upto})
    pages.post("/ui/jobs/bulk", form={"do": "delete", "q": "state:cancelled", "upto": upto})

    (again,) = pages.answer("/ui/jobs.json").json["jobs"]
    assert again["id"] != str(job)
    assert again["arguments"] == {"category": "books"}
    assert not world.artifacts.exists(job)


def test_selected_jobs_are_cancelled(world: World) -> None:
    """Only those that were selected, after a question; of none selected nothing can be done."""
    jobs = [world.enqueue() for _ in range(4)]
    pages = Pages(world)
    page = pages.get("/ui/jobs")
    assert all(f'name="job" value="{job}"' in page for job in jobs)

    query = f"do=cancel&q=&selected=1&job={jobs[2]}&job={jobs[3]}&job=%3Cb%3E"
    question = pages.get(f"/ui/jobs/bulk?{query}")
    upto = re.search(r'name="upto" value="([0-9]+)"', question)
    assert upto
    sent = {**parse_qs(query, keep_blank_values=True), "upto": upto[1]}
    answer = pages.post("/ui/jobs/bulk", form=sent)
    nothing = pages.get("/ui/jobs/bulk?do=delete&q=&selected=1")

    assert "Cancel 2 jobs?" in question
    assert "All active jobs among the 2 selected." in question
    assert "2 jobs cancelled." in pages.get(answer.headers["location"])
    ended = [job for job in jobs if isinstance(world.state(job), Finished)]
    assert ended == jobs[2:]
    assert "Delete 0 jobs?" in nothing
    assert "disabled>Delete 0 jobs</button>" in nothing


def test_markup_in_a_search_is_text(world: World) -> None:
    """What was typed is shown as it was typed, also in the commands."""
    text = "'\"><script>alert(1)</script>"

    page = Pages(world).answer(f"/ui/jobs?q=spider:{quote(text)}").text

    assert "<script>alert" not in page


def test_an_empty_list_says_how_to_go_on(world: World) -> None:
    """Where nothing ran yet, and where nothing matches, the page says so."""
    pages = Pages(world)
    assert "Nothing ran yet." in pages.get("/ui/jobs")
    assert "No jobs match." in pages.get("/ui/jobs?q=state:failed")
