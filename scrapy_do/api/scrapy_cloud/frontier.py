"""Crawl frontiers (HCF): queues of requests, read in batches, each fingerprint once.

Source: Scrapy Cloud frontier API. A slot exists from its first write until it is deleted, a
frontier while it has slots. Reading a queue does not empty it.

| method | path | role | what |
|---|---|---|---|
| GET | /hcf/<int:project>/list | READ | the names of the frontiers |
| GET | /hcf/<int:project>/<frontier>/list | READ | the names of a frontier's slots |
| POST | /hcf/<int:project>/<frontier>/s/<slot> | RUN | queues requests, as JSON lines |
| DELETE | /hcf/<int:project>/<frontier>/s/<slot> | RUN | removes a slot |
| GET | /hcf/<int:project>/<frontier>/s/<slot>/q | READ | the batches of a queue |
| GET | /hcf/<int:project>/<frontier>/s/<slot>/q/count | READ | how many requests wait |
| POST | /hcf/<int:project>/<frontier>/s/<slot>/q/deleted | RUN | deletes batches, as JSON lines |
| GET | /hcf/<int:project>/<frontier>/s/<slot>/f | READ | the fingerprints that were seen |

A running job may use its token for the frontiers of its own project.
"""

from collections.abc import AsyncGenerator

from scrapy_do.api.scrapy_cloud.access import check_project, own_projects
from scrapy_do.api.scrapy_cloud.collection_values import parse_texts
from scrapy_do.api.scrapy_cloud.data import STYLE
from scrapy_do.api.scrapy_cloud.data_reading import whole_number
from scrapy_do.api.scrapy_cloud.data_writing import (
    BODY,
    BadLine,
    checked_text,
    judged_lines,
    parse_name,
    parse_object,
)
from scrapy_do.api.scrapy_cloud.formats import JSON_LINES, Value, answer, encode_json
from scrapy_do.core.frontier import NewRequest, SlotName, number_of
from scrapy_do.operations.cloud.frontiers import FrontierOperations
from scrapy_do.web.answer import JSON, Answer, Response
from scrapy_do.web.auth import Access
from scrapy_do.web.permits import PERMITS
from scrapy_do.web.router import Call, Router

_PRIORITY_LIMIT = 2**63


class CloudFrontierAPI:
    """The dialect of frontiers. See the module's docstring for its routes."""

    prefix = "/hcf"

    def __init__(self, frontiers: FrontierOperations, *, access: Access | None) -> None:
        self._frontiers = frontiers
        self.router = Router(
            permits=PERMITS, style=STYLE, any_slash=True, access=access, guard=own_projects
        )
        add = self.router.add
        add("GET", "/hcf/<int:project>/list", self.list)
        add("GET", "/hcf/<int:project>/<frontier>/list", self.list_slots)
        slot = "/hcf/<int:project>/<frontier>/s/<slot>"
        add("POST", slot, self.add, body=BODY)
        add("DELETE", slot, self.remove)
        add("GET", f"{slot}/q", self.read)
        add("GET", f"{slot}/q/count", self.count)
        add("POST", f"{slot}/q/deleted", self.delete, body=BODY)
        add("GET", f"{slot}/f", self.fingerprints)

    async def list(self, call: Call, *, project: int) -> JSON:
        """Name the frontiers, on one line."""
        check_project(call.principal, project)
        return await self._frontiers.frontiers(project)

    async def list_slots(self, call: Call, *, project: int, frontier: str) -> JSON:
        """Name the slots of a frontier, on one line."""
        check_project(call.principal, project)
        return await self._frontiers.slots(project, frontier)

    async def add(self, call: Call, *, project: int, frontier: str, slot: str) -> JSON:
        """Queue requests, all or none, but for those that were seen."""
        name = _slot(call, project, frontier, slot)
        for text in (frontier, slot):
            checked_text("name", text)
        return {"newcount": await self._frontiers.add(name, await judged_lines(call, _request))}

    async def read(self, call: Call, *, project: int, frontier: str, slot: str) -> Answer:
        """Give batches; with `mincount` until they hold that many requests."""
        name = _slot(call, project, frontier, slot)
        return await answer(self._batches(name, whole_number(call.params, "mincount")), JSON_LINES)

    async def _batches(self, name: SlotName, least: int | None) -> AsyncGenerator[bytes, None]:
        async for batches in self._frontiers.batches(name, least):
            yield b"".join(
                b'{"id":"%s","requests":%s}\n' % (batch.id.encode(), batch.content.encode())
                for batch in batches
            )

    async def count(self, call: Call, *, project: int, frontier: str, slot: str) -> JSON:
        """Count the requests of a queue."""
        return {"count": await self._frontiers.count(_slot(call, project, frontier, slot))}

    async def delete(self, call: Call, *, project: int, frontier: str, slot: str) -> Answer:
        """Delete batches; what is no name of one names none."""
        name = _slot(call, project, frontier, slot)
        async for run in await judged_lines(call, parse_texts):
            numbers = [number_of(text) for texts in run for text in texts]
            known = [number for number in numbers if number is not None]
            await self._frontiers.delete(name, known)
        return Response()

    async def fingerprints(self, call: Call, *, project: int, frontier: str, slot: str) -> Answer:
        """List fingerprints."""
        return await answer(self._seen(_slot(call, project, frontier, slot)), JSON_LINES)

    async def _seen(self, name: SlotName) -> AsyncGenerator[bytes, None]:
        async for page in self._frontiers.fingerprints(name):
            yield b"".join(_fingerprint(fingerprint, value) for fingerprint, value in page)

    async def remove(self, call: Call, *, project: int, frontier: str, slot: str) -> Answer:
        """Remove a slot with all that it has seen."""
        await self._frontiers.remove(_slot(call, project, frontier, slot))
        return Response()


def _slot(call: Call, project: int, frontier: str, slot: str) -> SlotName:
    """The slot of a path, if who asks may touch it."""
    check_project(call.principal, project)
    return SlotName(project=project, frontier=frontier, slot=slot)


def _request(line: bytes) -> NewRequest:
    """A request in a line; without priority it has 0."""
    fields, _ = parse_object(line)
    fingerprint = parse_name(fields, "fp")
    kept = fields.get("fdata")
    return NewRequest(
        fingerprint=fingerprint,
        priority=_priority(fields.get("p")),
        text=encode_json([fingerprint, fields.get("qdata")]).decode(),
        value=None if kept is None else encode_json(kept).decode(),
    )


def _priority(value: Value) -> int:
    if value is None:
        return 0
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not -_PRIORITY_LIMIT <= value < _PRIORITY_LIMIT:
        raise BadLine("the p field must be a whole number")
    return int(value)


def _fingerprint(fingerprint: str, value: str | None) -> bytes:
    kept = b"" if value is None else b',"fdata":' + value.encode()
    return b'{"fp":' + encode_json(fingerprint) + kept + b"}\n"
