"""The projects of the store: versions, spiders, and the numbers of both."""

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update

from scrapy_do.core.events import ProjectChanged
from scrapy_do.core.instants import ms_of
from scrapy_do.core.project import (
    LARGEST_NUMBER,
    NewVersion,
    Project,
    Spider,
    Version,
    number_of,
)
from scrapy_do.core.sight import check_seen, seen_projects
from scrapy_do.errors import BadArgument, ProjectNotFound, VersionNotFound
from scrapy_do.store import tables
from scrapy_do.store.accept import find_project, find_version, spider_number
from scrapy_do.store.database import Database
from scrapy_do.store.removals import Removable, forget, note
from scrapy_do.store.rows import AnyRow, project_of, spider_of, version_of

_projects, _versions, _spiders = tables.projects, tables.versions, tables.spiders


class Projects:
    """Projects, their versions and spiders. Removed ones are not seen by any method."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- looking -------------------------------------------------------------------------------

    async def get(self, name: str) -> Project:
        """One project.

        Raises:
            ProjectNotFound: there is none of this name.
        """
        return await self._database.read(
            lambda connection: _with_current(connection, find_project(connection, name))
        )

    async def get_by_id(self, project_id: int) -> Project:
        """One project by its number.

        Raises:
            ProjectNotFound: there is none.
        """

        def work(connection: Connection) -> Project:
            check_seen(project_id, f"Project {project_id}")
            found = _read_projects(connection, _projects.c.id == project_id)
            if not found:
                raise ProjectNotFound(str(project_id))
            return found[0]

        return await self._database.read(work)

    async def all(self) -> list[Project]:
        """Every project, by name."""
        seen = seen_projects()
        which = [] if seen is None else [_projects.c.id.in_(seen)]
        return await self._database.read(lambda connection: _read_projects(connection, *which))

    async def check_open(self, name: str) -> None:
        """Let who asks use a project, be it there or not; see Note [Sight].

        Raises:
            NotPermitted: they see only others.
        """
        if seen_projects() is not None:
            await self._database.read(lambda connection: find_project(connection, name))

    async def versions(self, name: str) -> list[Version]:
        """The versions of a project, newest first.

        Raises:
            ProjectNotFound: there is none of this name.
        """

        def work(connection: Connection) -> list[Version]:
            project = find_project(connection, name)
            return _kept_versions(connection, project.id)

        return await self._database.read(work)

    async def version(self, name: str, label: str) -> Version:
        """One version of a project.

        Raises:
            ProjectNotFound, VersionNotFound: there is none.
        """
        return await self._database.read(
            lambda connection: _labelled(connection, find_project(connection, name), label)
        )

    async def version_by_id(self, deploy_id: int) -> Version:
        """The version of a job, removed or not.

        Raises:
            VersionNotFound: no job needs it any more.
        """

        def work(connection: Connection) -> Version:
            row = connection.execute(select(_versions).where(_versions.c.id == deploy_id)).first()
            if row is None:
                raise VersionNotFound("?", str(deploy_id))
            return version_of(row)

        return await self._database.read(work)

    async def spiders(self, project_id: int) -> list[Spider]:
        """The spiders of a project that have a number, by name."""
        query = (
            select(_spiders).where(_spiders.c.project_id == project_id).order_by(_spiders.c.name)
        )
        return await self._database.read(
            lambda connection: [spider_of(row) for row in connection.execute(query)]
        )

    async def is_compared(self, project_id: int, number: int) -> bool:
        """Whether the runs of a spider are compared with those before."""
        query = select(_spiders.c.compared).where(
            _spiders.c.project_id == project_id, _spiders.c.number == number
        )
        found = await self._database.read(lambda connection: connection.execute(query).scalar())
        return found is not False

    async def set_compared(self, project_id: int, number: int, *, compared: bool) -> None:
        """Have the runs of a spider compared with those before, or not."""
        change = (
            update(_spiders)
            .where(_spiders.c.project_id == project_id, _spiders.c.number == number)
            .values(compared=compared)
        )
        name = select(_projects.c.name).where(_projects.c.id == project_id)

        def work(connection: Connection) -> list[str]:
            connection.execute(change)
            return list(connection.execute(name).scalars())

        await self._database.transact(
            work, lambda names: [ProjectChanged(project=name) for name in names]
        )

    async def spider_number(
        self, project_id: int, name: str, *, create: bool = False
    ) -> int | None:
        """The number of a spider; None when it has none and `create` does not give it one."""

        def work(connection: Connection) -> int | None:
            return spider_number(connection, project_id, name, create=create)

        found = await self._database.read(
            lambda connection: spider_number(connection, project_id, name)
        )
        return await self._database.transact(work) if found is None and create else found

    async def names_in_use(self) -> set[str]:
        """The projects that are there, and the removed ones that still have unfinished jobs."""
        busy = select(tables.jobs.c.project_id).where(tables.UNFINISHED)
        query = select(_projects.c.name).where(~_projects.c.removed | _projects.c.id.in_(busy))
        return await self._database.read(
            lambda connection: set(connection.execute(query).scalars())
        )

    async def archives_in_use(self) -> set[str]:
        """The digests of the archives that versions or unfinished jobs need."""
        jobs = tables.jobs
        needed = select(jobs.c.deploy_id).where(tables.UNFINISHED, jobs.c.deploy_id.is_not(None))
        query = select(_versions.c.digest).where(~_versions.c.removed | _versions.c.id.in_(needed))
        return await self._database.read(
            lambda connection: set(connection.execute(query.distinct()).scalars())
        )

    # --- changing ------------------------------------------------------------------------------

    async def name(self, name: str, *, now: datetime) -> Project:
        """Give a project its number before it is pushed, unless it has one."""
        return await self._database.transact(
            lambda connection: _with_current(connection, _ensure_project(connection, name, now)),
            _changed(name),
        )

    async def put_version(
        self, new: NewVersion, *, make_current: bool = True
    ) -> tuple[Project, Version]:
        """Store a version, and its project and spiders where they are new.

        Without a label it gets the project's next number. A version of the same label is
        replaced: jobs already accepted keep the old one.
        """

        def work(connection: Connection) -> tuple[Project, Version]:
            project = _ensure_project(connection, new.project, new.pushed_at)
            version = _insert_version(connection, project, new)
            for kind in (Removable.ARCHIVE, Removable.UPLOAD):
                forget(connection, kind, [new.archive.digest])
            for spider in new.spiders:
                spider_number(connection, project.id, spider, create=True)
            if make_current or project.current_version_id is None:
                _make_current(connection, project.id, version)
            return _with_current(connection, find_project(connection, new.project)), version

        return await self._database.transact(work, _changed(new.project))

    async def set_current(self, name: str, label: str) -> Project:
        """Make a version the one that new jobs run.

        Raises:
            ProjectNotFound, VersionNotFound: there is none.
        """

        def work(connection: Connection) -> Project:
            project = find_project(connection, name)
            _make_current(connection, project.id, _labelled(connection, project, label))
            return _with_current(connection, find_project(connection, name))

        return await self._database.transact(work, _changed(name))

    async def remove_version(self, name: str, label: str) -> None:
        """Remove a version. The newest of the others becomes current if this one was.

        Raises:
            ProjectNotFound, VersionNotFound: there is none.
        """

        def work(connection: Connection) -> None:
            project = find_project(connection, name)
            version = _labelled(connection, project, label)
            _remove_versions(connection, _versions.c.id == version.id)
            if project.current_version_id == version.id:
                kept = _kept_versions(connection, project.id)
                _make_current(connection, project.id, kept[0] if kept else None)

        await self._database.transact(work, _changed(name))

    async def remove(self, name: str) -> None:
        """Remove a project. Its jobs stay, with the versions that they need.

        Raises:
            ProjectNotFound: there is none of this name.
        """

        def work(connection: Connection) -> None:
            project = find_project(connection, name)
            _make_current(connection, project.id, None)
            _remove_versions(connection, _versions.c.project_id == project.id)
            connection.execute(
                update(_projects).where(_projects.c.id == project.id).values(removed=True)
            )
            note(connection, Removable.SPIDER_DATA, [name])

        await self._database.transact(work, _changed(name))

    async def prune_versions(self, kept: int) -> list[Version]:
        """Remove all but the newest `kept` versions of each project, and say which.

        The current version stays, and those that schedules name.
        """

        def work(connection: Connection) -> list[Version]:
            old = [
                version
                for project in _read_projects(connection)
                for version in _prunable_versions(connection, project, kept)
            ]
            if old:
                _remove_versions(connection, _versions.c.id.in_([version.id for version in old]))
            _forget_versions(connection)
            return old

        return await self._database.transact(work)


def _changed(name: str) -> Callable[[object], list[ProjectChanged]]:
    return lambda _: [ProjectChanged(project=name)]


def _read_projects(connection: Connection, *conditions: ColumnElement[bool]) -> list[Project]:
    rows = connection.execute(
        select(_projects).where(~_projects.c.removed, *conditions).order_by(_projects.c.name)
    ).all()
    wanted = [row.current_version_id for row in rows if row.current_version_id is not None]
    current = {
        row.id: version_of(row)
        for row in connection.execute(select(_versions).where(_versions.c.id.in_(wanted)))
    }
    return [project_of(row, current.get(row.current_version_id)) for row in rows]


def _with_current(connection: Connection, row: AnyRow) -> Project:
    return project_of(row, find_version(connection, row, None))


def _labelled(connection: Connection, project: AnyRow, label: str) -> Version:
    version = find_version(connection, project, label)
    assert version is not None  # a label that is not found is refused
    return version


def _kept_versions(connection: Connection, project_id: int) -> list[Version]:
    query = select(_versions).where(_versions.c.project_id == project_id, ~_versions.c.removed)
    return [version_of(row) for row in connection.execute(query.order_by(_versions.c.id.desc()))]


def _ensure_project(connection: Connection, name: str, now: datetime) -> AnyRow:
    """The row of a project, made or brought back if need be."""
    stored = connection.execute(select(_projects).where(_projects.c.name == name)).first()
    if stored is None:
        insert_project(connection, name, now)
    elif stored.removed:
        connection.execute(
            update(_projects).where(_projects.c.id == stored.id).values(removed=False)
        )
        forget(connection, Removable.SPIDER_DATA, [name])
    return find_project(connection, name)


def insert_project(connection: Connection, name: str, now: datetime) -> None:
    """Give a project its number: the next one, or the one that is its name.

    A project that is called by a number and has another one would stand for two projects to
    clients that know numbers only.

    Raises:
        BadArgument: the number that it is called by is another project's.
    """
    number = number_of(name)
    if number is not None:
        taken = connection.execute(
            select(_projects.c.name).where(_projects.c.id == number)
        ).scalar()
        if taken is not None:
            raise BadArgument(
                "project",
                f"{name} is the number of the project {taken!r}; "
                "give a name, or a number that no project has",
            )
    own = {} if number is None or number > LARGEST_NUMBER else {"id": number}
    connection.execute(
        insert(_projects).values(
            name=name, spiders_named=0, versions_pushed=0, created_ms=ms_of(now), **own
        )
    )
    if own and connection.dialect.name == "postgresql":  # SQLite counts on by itself
        sequence = func.pg_get_serial_sequence(_projects.name, _projects.c.id.name)
        largest = select(func.max(_projects.c.id)).scalar_subquery()
        connection.execute(select(func.setval(sequence, largest)))


def _insert_version(connection: Connection, project: AnyRow, new: NewVersion) -> Version:
    label = new.label or _next_label(connection, project.id)
    _remove_versions(
        connection, (_versions.c.project_id == project.id) & (_versions.c.label == label)
    )
    row = connection.execute(
        insert(_versions)
        .values(
            project_id=project.id,
            label=label,
            digest=new.archive.digest,
            size_bytes=new.archive.size_bytes,
            root=new.root,
            settings_module=new.settings_module,
            spiders=list(new.spiders),
            pushed_ms=ms_of(new.pushed_at),
            pushed_by=new.pushed_by,
            python=None if new.interpreter is None else new.interpreter.python,
            scrapy=None if new.interpreter is None else new.interpreter.scrapy,
        )
        .returning(_versions)
    ).one()
    return version_of(row)


def _next_label(connection: Connection, project_id: int) -> str:
    """The next number that is not somebody's own label already."""
    taken = {version.label for version in _kept_versions(connection, project_id)}
    while True:
        number = connection.execute(
            update(_projects)
            .where(_projects.c.id == project_id)
            .values(versions_pushed=_projects.c.versions_pushed + 1)
            .returning(_projects.c.versions_pushed)
        ).scalar_one()
        if str(number) not in taken:
            return str(number)


def _make_current(connection: Connection, project_id: int, version: Version | None) -> None:
    """Set the version that new jobs run; its spiders are the deployed ones."""
    connection.execute(
        update(_projects)
        .where(_projects.c.id == project_id)
        .values(current_version_id=None if version is None else version.id)
    )
    names: Sequence[str] = () if version is None else version.spiders
    connection.execute(
        update(_spiders)
        .where(_spiders.c.project_id == project_id)
        .values(deployed=_spiders.c.name.in_(names))
    )


def _remove_versions(connection: Connection, which: ColumnElement[bool]) -> None:
    digests = connection.execute(
        update(_versions)
        .where(which, ~_versions.c.removed)
        .values(removed=True)
        .returning(_versions.c.digest)
    ).scalars()
    note(connection, Removable.ARCHIVE, digests.all())


def _prunable_versions(connection: Connection, project: Project, kept: int) -> list[Version]:
    schedules = tables.schedules
    named = set(
        connection.execute(
            select(schedules.c.version).where(
                schedules.c.project_id == project.id, schedules.c.version.is_not(None)
            )
        ).scalars()
    )
    return [
        version
        for version in _kept_versions(connection, project.id)[kept:]
        if version != project.current and version.label not in named
    ]


def _forget_versions(connection: Connection) -> None:
    """Delete the rows of removed versions that no job names."""
    used = select(tables.jobs.c.deploy_id).where(tables.jobs.c.deploy_id == _versions.c.id)
    connection.execute(delete(_versions).where(_versions.c.removed, ~used.exists()))
