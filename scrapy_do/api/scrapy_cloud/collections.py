"""Collections of a project: JSON objects by key, shared by its crawls.

Source: Scrapy Cloud collections API. `<kind>` is s, cs, vs or vcs. A collection exists from
its first write; one that does not exist is read as empty. What a scan or a count may be
narrowed by, also narrows what is deleted.

| method | path | role | what |
|---|---|---|---|
| GET | /collections/<int:project>/list | READ | the collections of a project |
| POST | /collections/<int:project>/delete | RUN | removes those of a name, of all kinds |
| POST | /collections/<int:project>/rename | RUN | renames those of a name, of all kinds |
| GET | /collections/<int:project>/<kind>/<name> | READ | its values in the order of their keys |
| POST | /collections/<int:project>/<kind>/<name> | RUN | stores values, as JSON lines |
| DELETE | /collections/<int:project>/<kind>/<name> | RUN | deletes values |
| GET | /collections/<int:project>/<kind>/<name>/count | READ | how many values |
| GET | /collections/<int:project>/<kind>/<name>/scan | READ | values, and where to go on |
| POST | /collections/<int:project>/<kind>/<name>/deleted | RUN | deletes keys, as JSON lines |
| GET | /collections/<int:project>/<kind>/<name>/<path:key> | READ | a value, or KEY/FIELD of it |
| POST | /collections/<int:project>/<kind>/<name>/<path:key> | RUN | stores a value |
| DELETE | /collections/<int:project>/<kind>/<name>/<path:key> | RUN | deletes a value |

A running job may use its token for the collections of its own project.
"""

import json

from scrapy_do.api.scrapy_cloud.access import check_project, own_projects
from scrapy_do.api.scrapy_cloud.collection_values import (
    ShownValue,
    ValueWriter,
    any_value,
    checked_name,
    collection_of,
    keyed,
    keyed_line,
    once,
    parse_texts,
    passes_of,
    query_of,
)
from scrapy_do.api.scrapy_cloud.data import STYLE
from scrapy_do.api.scrapy_cloud.data_reading import whole_number
from scrapy_do.api.scrapy_cloud.data_writing import BODY, judged_lines, parse_object
from scrapy_do.api.scrapy_cloud.formats import (
    JSON_LINES,
    MSGPACK_TYPE,
    TEXT_TYPE,
    answer,
    download_headers,
    encode_json,
    format_of,
    pack,
    plain_text,
    to_bytes,
    wants_msgpack,
)
from scrapy_do.core.collection import CollectionName
from scrapy_do.errors import ValueNotFound
from scrapy_do.operations.cloud.collections import CollectionOperations, CollectionTally
from scrapy_do.operations.records import VALUE_LIMIT_BYTES
from scrapy_do.web.answer import JSON, Answer, Response, json_response
from scrapy_do.web.auth import Access
from scrapy_do.web.lines import read_all
from scrapy_do.web.permits import PERMITS
from scrapy_do.web.router import Call, Router

MOST_VALUES = 1000
MOST_SCANNED = 100_000
JSON_TYPE = "application/json"


class CloudCollectionsAPI:
    """The dialect of collections. See the module's docstring for its routes."""

    prefix = "/collections"

    def __init__(self, collections: CollectionOperations, *, access: Access | None) -> None:
        self._collections = collections
        self.router = Router(
            permits=PERMITS, style=STYLE, any_slash=True, access=access, guard=own_projects
        )
        add = self.router.add
        project = "/collections/<int:project>"
        add("GET", f"{project}/list", self.list)
        add("POST", f"{project}/delete", self.remove)
        add("POST", f"{project}/rename", self.rename)
        collection = f"{project}/<kind>/<name>"
        add("GET", collection, self.read)
        add("POST", collection, self.write, body=BODY)
        add("DELETE", collection, self.delete_all)
        add("GET", f"{collection}/count", self.count)
        add("GET", f"{collection}/scan", self.scan)
        add("POST", f"{collection}/deleted", self.delete_keys, body=BODY)
        add("GET", f"{collection}/<path:key>", self.show)
        add("POST", f"{collection}/<path:key>", self.write_one, body=BODY)
        add("DELETE", f"{collection}/<path:key>", self.delete_one)

    # --- all of a project ----------------------------------------------------------------------

    async def list(self, call: Call, *, project: int) -> Answer:
        """Name the collections."""
        check_project(call.principal, project)
        names = await self._collections.names(project)
        lines = [encode_json({"type": name.kind, "name": name.name}) + b"\n" for name in names]
        return Response(body=b"".join(lines), content_type=JSON_LINES.content_type)

    async def remove(self, call: Call, *, project: int) -> Answer:
        """Remove the collections of a name."""
        check_project(call.principal, project)
        name = call.params.text("name")
        await self._collections.remove(project, name)
        return json_response({"status": "success", "deleted": name}, status=202)

    async def rename(self, call: Call, *, project: int) -> Answer:
        """Rename the collections of a name."""
        check_project(call.principal, project)
        new_name = checked_name("new_name", call.params.text("new_name"))
        await self._collections.rename(project, call.params.text("name"), new_name)
        return Response()

    # --- all of a collection -------------------------------------------------------------------

    async def read(self, call: Call, *, project: int, kind: str, name: str) -> Answer:
        """List values."""
        collection = _collection(call, project, kind, name)
        form = format_of(call)
        writer = ValueWriter(call.params, form)
        pieces = self._collections.read(collection, query_of(call.params), writer)
        return await answer(pieces, form, download_headers(call.params))

    async def write(self, call: Call, *, project: int, kind: str, name: str) -> Answer:
        """Store values, all or none."""
        collection = _collection(call, project, kind, name)
        await self._collections.write(collection, await judged_lines(call, keyed_line))
        return Response()

    async def delete_all(self, call: Call, *, project: int, kind: str, name: str) -> JSON:
        """Delete the values that are found."""
        collection = _collection(call, project, kind, name)
        query, passes = query_of(call.params), passes_of(call.params)
        return _tally(await self._collections.delete_all(collection, query, passes), "deleted")

    async def count(self, call: Call, *, project: int, kind: str, name: str) -> JSON:
        """Count the values that are found."""
        collection = _collection(call, project, kind, name)
        query, passes = query_of(call.params), passes_of(call.params)
        return _tally(await self._collections.count(collection, query, passes), "count")

    async def scan(self, call: Call, *, project: int, kind: str, name: str) -> Answer:
        """Give some values, and the key to go on with."""
        collection = _collection(call, project, kind, name)
        params = call.params
        most = whole_number(params, "count")
        scanned = whole_number(params, "maxscan")
        values, next_start = await self._collections.batch(
            collection,
            query_of(params),
            passes_of(params) or any_value,
            most=MOST_VALUES if most is None else min(most, MOST_VALUES),
            scanned=MOST_SCANNED if scanned is None else min(scanned, MOST_SCANNED),
        )
        shown = ShownValue(params)
        listed = b",".join(shown.text(value) for value in values)
        rest = b"" if next_start is None else b',"nextstart":' + encode_json(next_start)
        body = b'{"values":[' + listed + b"]" + rest + b"}\n"
        return Response(body=body, content_type="application/json")

    async def delete_keys(self, call: Call, *, project: int, kind: str, name: str) -> Answer:
        """Delete values by key."""
        collection = _collection(call, project, kind, name)
        async for run in await judged_lines(call, parse_texts):
            await self._collections.delete(collection, [key for keys in run for key in keys])
        return Response()

    # --- one value -----------------------------------------------------------------------------

    async def show(self, call: Call, *, project: int, kind: str, name: str, key: str) -> Answer:
        """Give a value; or one field of it, for keys may hold slashes, too."""
        collection = _collection(call, project, kind, name)
        found = await self._collections.find(collection, key)
        if found is not None:
            shown = ShownValue(call.params)
            if wants_msgpack(call):
                return Response(body=pack(shown.value(found)), content_type=MSGPACK_TYPE)
            return Response(body=shown.text(found) + b"\n", content_type=JSON_TYPE)
        stem, _, field = key.rpartition("/")
        found = await self._collections.find(collection, stem)
        fields = {} if found is None else json.loads(found.text)
        if field not in fields:
            raise ValueNotFound
        if wants_msgpack(call):
            return Response(body=pack(fields[field]), content_type=MSGPACK_TYPE)
        return Response(body=to_bytes(plain_text(fields[field])), content_type=TEXT_TYPE)

    async def write_one(
        self, call: Call, *, project: int, kind: str, name: str, key: str
    ) -> Answer:
        """Store a value."""
        collection = _collection(call, project, kind, name)
        body = (await read_all(call, limit_bytes=VALUE_LIMIT_BYTES)).strip()
        value, _ = parse_object(body)
        await self._collections.write(collection, once([keyed({**value, "_key": key})]))
        return Response()

    async def delete_one(
        self, call: Call, *, project: int, kind: str, name: str, key: str
    ) -> Answer:
        """Delete a value."""
        collection = _collection(call, project, kind, name)
        await self._collections.delete(collection, [key])
        return Response()


def _collection(call: Call, project: int, kind: str, name: str) -> CollectionName:
    """The collection of a path, if who asks may touch it."""
    check_project(call.principal, project)
    return collection_of(project, kind, name)


def _tally(tally: CollectionTally, word: str) -> JSON:
    rest: dict[str, JSON] = {} if tally.next_start is None else {"nextstart": tally.next_start}
    return {word: tally.passed, "scanned": tally.scanned, **rest}
