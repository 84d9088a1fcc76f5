"""Small settings kept as JSON: of projects, of spiders, of the store itself."""

from collections.abc import Mapping

from sqlalchemy import ColumnElement, Connection, Text, cast, delete, select

from scrapy_do.core.events import SettingsChanged
from scrapy_do.core.job import JSON
from scrapy_do.store import tables
from scrapy_do.store.database import Database
from scrapy_do.store.upsert import replacing

_meta = tables.meta

BOTGROUPS = "botgroups"
"""The setting of a project that names the groups of runners that its jobs are for."""


def settings_scope(project_id: int) -> str:
    """Where the settings of a project are."""
    return f"project/{project_id}/settings"


def settings_scope_of(project_id: ColumnElement[int]) -> ColumnElement[str]:
    """The same in SQL."""
    return "project/" + cast(project_id, Text) + "/settings"


def groups_of(value: JSON) -> tuple[str, ...]:
    """The groups that the value of the setting `botgroups` names."""
    groups = value if isinstance(value, list) else [value]
    return tuple(str(group) for group in groups if isinstance(group, str | int) and group)


class Meta:
    """Values by scope and key. A scope is a text such as `project/7/settings`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, scope: str, key: str) -> JSON:
        """One value, or None."""
        query = select(_meta.c.value).where(_meta.c.scope == scope, _meta.c.key == key)
        return await self._database.read(lambda connection: connection.execute(query).scalar())

    async def all(self, scope: str) -> dict[str, JSON]:
        """The values of a scope by key, in the order of keys."""
        query = select(_meta.c.key, _meta.c.value).where(_meta.c.scope == scope)
        return await self._database.read(
            lambda connection: {
                row.key: row.value for row in connection.execute(query.order_by(_meta.c.key))
            }
        )

    async def put(self, scope: str, values: Mapping[str, JSON]) -> None:
        """Store values together, each instead of what its key had."""

        def work(connection: Connection) -> None:
            rows = [{"scope": scope, "key": key, "value": value} for key, value in values.items()]
            if rows:
                connection.execute(replacing(connection.dialect.name, _meta, "value"), rows)

        await self._database.transact(work, lambda _: [SettingsChanged(scope=scope)])

    async def delete(self, scope: str, key: str | None = None) -> None:
        """Forget one value, or all of a scope; nothing happens where there is none."""
        statement = delete(_meta).where(_meta.c.scope == scope)
        if key is not None:
            statement = statement.where(_meta.c.key == key)
        await self._database.transact(
            lambda connection: connection.execute(statement) and None,
            lambda _: [SettingsChanged(scope=scope)],
        )
