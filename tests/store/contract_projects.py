"""What every store does with projects, versions and small settings."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from scrapy_do.core.project import ArchiveRef, Interpreter, Project, Spider, Version
from scrapy_do.core.push_report import PushReport, Step
from scrapy_do.core.transitions import Cancel, advance
from scrapy_do.errors import (
    ProjectNotFound,
    VersionNotFound,
)
from scrapy_do.store.removals import Removable
from scrapy_do.store.store import Store
from tests.factories import START, at, request
from tests.store.values import FINISHED, SPIDERS, Run, new, order, version


class ProjectContract:
    """See `contract`."""

    def test_first_version(self, store: Store, run: Run) -> None:
        """The first version of a project makes the project, its spiders and their numbers."""
        expected = Version(
            id=1,
            project_id=1,
            label="1",
            archive=ArchiveRef(digest="0a" * 32, size_bytes=4096),
            root="",
            settings_module="quotesbot.settings",
            spiders=SPIDERS,
            pushed_at=START,
            pushed_by="ann",
        )
        project = Project(id=1, name="quotesbot", current=expected, created_at=START)
        assert (project, expected) == run(store.projects.put_version(version()))
        assert project == run(store.projects.get("quotesbot"))
        assert project == run(store.projects.get_by_id(1))
        assert [project] == run(store.projects.all())
        assert [expected] == run(store.projects.versions("quotesbot"))
        assert expected == run(store.projects.version("quotesbot", "1"))
        assert expected == run(store.projects.version_by_id(1))
        assert [
            Spider(project_id=1, number=1, name="toscrape-css", deployed=True),
            Spider(project_id=1, number=2, name="toscrape-xpath", deployed=True),
        ] == run(store.projects.spiders(1))

    def test_the_interpreter_of_a_version(self, store: Store, run: Run) -> None:
        """A version keeps with which Python and Scrapy it was pushed, where that is known."""
        known = Interpreter(python="3.13.1", scrapy="2.19.0")
        _, stored = run(store.projects.put_version(version(interpreter=known)))
        _, other = run(store.projects.put_version(version()))
        assert stored.interpreter == known
        assert [other, stored] == run(store.projects.versions("quotesbot"))
        assert other.interpreter is None

    def test_runs_of_a_spider_are_not_compared(self, store: Store, run: Run) -> None:
        """It holds for this spider alone, and through pushes, until it is changed back."""
        run(store.projects.put_version(version()))
        run(store.projects.set_compared(1, 2, compared=False))
        run(store.projects.put_version(version()))

        assert [True, False] == [spider.compared for spider in run(store.projects.spiders(1))]
        assert run(store.projects.is_compared(1, 1))
        assert not run(store.projects.is_compared(1, 2))
        run(store.projects.set_compared(1, 2, compared=True))
        assert run(store.projects.is_compared(1, 2))
        assert run(store.projects.is_compared(7, 7))

    def test_reports_of_pushes(self, store: Store, run: Run) -> None:
        """They come back as they were, newest first; the oldest make room; any text is taken."""
        reports = [
            PushReport(
                id=UUID(int=number),
                at=at(number),
                by="ann",
                project="quotesbot" if number else None,
                version="1",
                steps=(Step(name="unpack it", took=timedelta(seconds=1.5), failed=True),),
                problem="a\ud800b\0<b>",
                warnings=("w",),
                added=("one", "two"),
            )
            for number in range(4)
        ]
        for report in reports:
            run(store.push_reports.add(report, kept=3))

        kept = [replace(one, problem="a?b\N{REPLACEMENT CHARACTER}<b>") for one in reports]
        assert run(store.push_reports.all()) == kept[:0:-1]
        assert run(store.push_reports.get(UUID(int=2))) == kept[2]
        assert run(store.push_reports.get(UUID(int=0))) is None

    def test_spiders_follow_the_current_version(self, store: Store, run: Run) -> None:
        """A spider keeps its number for ever and is deployed while the current version has it."""
        run(store.projects.put_version(version()))
        run(store.projects.put_version(version(spiders=("another", "toscrape-css"))))
        spiders = [
            Spider(project_id=1, number=3, name="another", deployed=True),
            Spider(project_id=1, number=1, name="toscrape-css", deployed=True),
            Spider(project_id=1, number=2, name="toscrape-xpath", deployed=False),
        ]
        assert spiders == run(store.projects.spiders(1))
        run(store.projects.set_current("quotesbot", "1"))
        deployed = [spider.deployed for spider in run(store.projects.spiders(1))]
        assert [False, True, True] == deployed

    def test_labels(self, store: Store, run: Run) -> None:
        """Without a label a version gets the next number that nobody took as a label."""
        labels = [
            run(store.projects.put_version(version(label=label)))[1].label
            for label in (None, "3", "v1.0", None, None)
        ]
        assert ["1", "3", "v1.0", "2", "4"] == labels
        kept = [kept.label for kept in run(store.projects.versions("quotesbot"))]
        assert list(reversed(labels)) == kept

    def test_label_again(self, store: Store, run: Run) -> None:
        """A version of the same label replaces the old one, which accepted jobs keep."""
        _, old = run(store.projects.put_version(version(label="v1")))
        job = run(store.jobs.add(new()))
        archive = ArchiveRef(digest="0b" * 32, size_bytes=1)
        project, current = run(store.projects.put_version(version(label="v1", archive=archive)))
        assert current == project.current
        assert [current] == run(store.projects.versions("quotesbot"))
        assert old == run(store.projects.version_by_id(job.deploy_id))
        assert {"0a" * 32, "0b" * 32} == run(store.projects.archives_in_use())

    def test_version_beside_the_current_one(self, store: Store, run: Run) -> None:
        """A version may be stored without becoming current, unless it is the first."""
        _, first = run(store.projects.put_version(version(), make_current=False))
        project, _ = run(store.projects.put_version(version(), make_current=False))
        assert first == project.current

    def test_named_project(self, store: Store, run: Run) -> None:
        """A project that was only named has a number and no current version."""
        named = Project(id=1, name="quotesbot", current=None, created_at=START)
        assert named == run(store.projects.name("quotesbot", now=START))
        assert named == run(store.projects.name("quotesbot", now=at(5)))
        assert 1 == run(store.projects.put_version(version()))[0].id

    def test_removed_project(self, store: Store, run: Run) -> None:
        """A removed project is gone at once; pushed again it has its number back."""
        run(store.projects.put_version(version()))
        run(store.projects.put_version(version("other")))
        run(store.projects.remove("quotesbot"))
        assert ["other"] == [project.name for project in run(store.projects.all())]
        for lookup in (
            store.projects.get("quotesbot"),
            store.projects.get_by_id(1),
            store.projects.versions("quotesbot"),
            store.projects.remove("quotesbot"),
            store.jobs.add(new()),
            store.schedules.add(order()),
        ):
            with pytest.raises(ProjectNotFound):
                run(lookup)
        project, again = run(store.projects.put_version(version()))
        assert (1, "2", again) == (project.id, again.label, project.current)

    def test_archives_of_removed_projects(self, store: Store, run: Run) -> None:
        """A removed project's archive is in use until the last job that needs it has ended."""
        run(store.projects.put_version(version()))
        job = run(store.jobs.add(new()))
        run(store.projects.remove("quotesbot"))
        assert {"0a" * 32} == run(store.projects.archives_in_use())
        run(store.jobs.save(advance(job, Cancel(by="ann"), now=at(5)), expected=job))
        assert set() == run(store.projects.archives_in_use())

    def test_remove_version(self, store: Store, run: Run) -> None:
        """After the current version the newest other one becomes current."""
        for _ in range(3):
            run(store.projects.put_version(version()))
        run(store.projects.remove_version("quotesbot", "3"))
        run(store.projects.remove_version("quotesbot", "1"))
        assert "2" == run(store.projects.get("quotesbot")).current.label
        run(store.projects.remove_version("quotesbot", "2"))
        assert run(store.projects.get("quotesbot")).current is None
        with pytest.raises(VersionNotFound):
            run(store.projects.remove_version("quotesbot", "2"))

    def test_prune_versions(self, store: Store, run: Run) -> None:
        """Old versions are pruned, but not the current one nor those of schedules."""
        for _ in range(5):
            run(store.projects.put_version(version()))
        run(store.projects.set_current("quotesbot", "1"))
        run(store.schedules.add(order(request=request(version="2"))))
        pruned = run(store.projects.prune_versions(2))
        assert ["3"] == [old.label for old in pruned]
        kept = [kept.label for kept in run(store.projects.versions("quotesbot"))]
        assert ["5", "4", "2", "1"] == kept

    def test_pruned_version_of_a_job(self, store: Store, run: Run) -> None:
        """The row of a pruned version goes when no job names it any more."""
        run(store.projects.put_version(version()))
        job = run(store.jobs.add(new(state=FINISHED)))
        run(store.projects.put_version(version()))
        run(store.projects.prune_versions(1))
        assert "1" == run(store.projects.version_by_id(job.deploy_id)).label
        run(store.jobs.delete([job.id]))
        run(store.projects.prune_versions(1))
        with pytest.raises(VersionNotFound):
            run(store.projects.version_by_id(job.deploy_id))

    def test_spider_numbers(self, store: Store, run: Run, pushed: Version) -> None:
        """A name is given a number on request only, and then keeps it."""
        number = store.projects.spider_number
        assert 2 == run(number(pushed.project_id, "toscrape-xpath"))
        assert run(number(pushed.project_id, "later")) is None
        assert 3 == run(number(pushed.project_id, "later", create=True))
        assert 3 == run(number(pushed.project_id, "later"))
        assert not run(store.projects.spiders(1))[0].deployed

    def test_meta(self, store: Store, run: Run) -> None:
        """Small values are kept by scope and key, null among them."""
        run(store.meta.put("project/1", {"b": {"x": [1]}, "a": None}))
        run(store.meta.put("project/1", {"b": 2}))
        run(store.meta.put("project/2", {"b": 3}))
        assert {"a": None, "b": 2} == run(store.meta.all("project/1"))
        assert 2 == run(store.meta.get("project/1", "b"))
        assert run(store.meta.get("project/1", "c")) is None
        run(store.meta.delete("project/1", "b"))
        run(store.meta.delete("project/1", "c"))
        assert {"a": None} == run(store.meta.all("project/1"))
        run(store.meta.delete("project/2"))
        assert {} == run(store.meta.all("project/2"))

    def test_ping(self, store: Store, run: Run) -> None:
        """A database that answers raises nothing."""
        assert run(store.ping()) is None

    def test_needless_archives_are_noted(self, store: Store, run: Run) -> None:
        """Archives and data that may go are written down; what is needed again is not."""

        def noted() -> dict[str, list[str]]:
            found = {kind.value: run(store.removals.all(kind)) for kind in Removable}
            return {kind: sorted(names) for kind, names in found.items() if names}

        first, second = (ArchiveRef(digest=mark * 64, size_bytes=1) for mark in "ab")
        run(store.removals.add(Removable.UPLOAD, first.digest))
        run(store.removals.add(Removable.UPLOAD, first.digest))
        assert {"upload": [first.digest]} == noted()
        run(store.projects.put_version(version(archive=first)))
        assert {} == noted()
        run(store.projects.put_version(version(archive=second)))
        run(store.projects.prune_versions(1))
        assert {"archive": [first.digest]} == noted()
        run(store.projects.put_version(version(archive=first)))
        assert {} == noted()
        run(store.projects.remove("quotesbot"))
        removed = {"archive": [first.digest, second.digest], "spider-data": ["quotesbot"]}
        assert removed == noted()
        run(store.projects.name("quotesbot", now=START))
        run(store.removals.done(Removable.ARCHIVE, [first.digest]))
        assert {"archive": [second.digest]} == noted()

    def test_deleted_jobs_are_noted(self, store: Store, run: Run, pushed: Version) -> None:
        """The files of jobs that were deleted may go, those of others not."""
        del pushed
        run(store.jobs.add(new(1, FINISHED)))
        run(store.jobs.add(new(2, FINISHED)))
        (deleted,) = run(store.jobs.delete([UUID(int=1), UUID(int=3)]))
        assert [str(deleted)] == run(store.removals.all(Removable.JOB))
