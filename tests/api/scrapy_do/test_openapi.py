"""The OpenAPI document: valid, and true of every route, argument, status and answer."""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from scrapy_do import errors
from scrapy_do.api.scrapy_do.parameters import ELSEWHERE, OPERATIONS, Operation, Parameter
from scrapy_do.api.scrapy_do.routes import STYLE, ScrapyDoAPI
from scrapy_do.errors import LogNotFound, ScrapyDoError
from scrapy_do.ui.routes import Pages
from scrapy_do.web.params import Params
from scrapy_do.web.router import Call, Route
from scrapy_do.web.site import HealthPage
from scrapy_do.web.sse import Bell
from scrapy_do.web.status import status_of_kind
from scrapy_do.web.tail import Tail
from scrapy_do.web.upload import UploadedFile
from tests.factories import TESTER
from tests.fakes import inline
from tests.http_client import healthy
from tests.world import World

UNKNOWN = "12345678-1234-4234-8234-123456789abc"
EXAMPLES: Mapping[str, str] = {
    "date-time": "2026-06-03T10:00:00Z",
    "when": "every 2 hours",
    "timezone": "UTC",
    "json": "{}",
    "setting": "LOG_LEVEL=INFO",
    "project": "quotesbot",
    "spider": "toscrape-css",
    "uuid": UNKNOWN,
    "job": UNKNOWN,
    "job.log": f"{UNKNOWN}.out",
    "job.items": f"{UNKNOWN}.jsonl",
    "order": UNKNOWN,
}
PATTERNS: Mapping[str, str] = {"arg": "a=b", "status": "ACTIVE"}
NO_ERROR_OF_A_REQUEST = {
    errors.DataDirectoryInUse,
    errors.DatabaseInUse,
    errors.NewerSchema,
    errors.ConfigError,
}


class Recording(Params):
    """Arguments that remember what was asked of them."""

    read: dict[str, dict[str, Any]]

    def _note(self, name: str, **rule: Any) -> None:
        known = self.read.setdefault(name, {})
        if rule.get("maximum", 0) <= known.get("maximum", rule.get("maximum", 0)):
            known.update(rule)  # of two readers the stricter counts

    def texts(self, name: str) -> tuple[str, ...]:
        self._note(name)
        return super().texts(name)

    def integer(self, name: str, *, minimum: int, maximum: int, default: Any) -> Any:
        self._note(name, type="integer", minimum=minimum, maximum=maximum, default=default)
        return super().integer(name, minimum=minimum, maximum=maximum, default=default)

    def number(self, name: str, *, minimum: float, maximum: float, default: Any) -> Any:
        self._note(name, type="number", minimum=minimum, maximum=maximum, default=default)
        return super().number(name, minimum=minimum, maximum=maximum, default=default)

    def flag(self, name: str, *, default: bool = False) -> bool:
        self._note(name, type="flag", default=default)
        return super().flag(name, default=default)

    def timestamp(self, name: str, *, default: Any) -> Any:
        self._note(name, type="timestamp", default=default)
        return super().timestamp(name, default=default)

    def file(self, name: str) -> UploadedFile:
        self._note(name)
        return super().file(name)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path).start()


@pytest.fixture
def document(world: World) -> dict[str, Any]:
    found: dict[str, Any] = world.client().get("/openapi.json").json
    return found


def routes_of(world: World) -> tuple[Route, ...]:
    dialect = ScrapyDoAPI(world.operations, archive_bytes=1, tail=Tail(reactor=world.clock))
    return dialect.router.routes()


def pages_of(world: World) -> dict[str, Route]:
    pages = Pages(
        world.operations,
        now=world.now,
        zone="UTC",
        times="relative",
        archive_bytes=1,
        new_bell=partial(Bell, world.clock),
    )
    every = (*pages.router.routes(), *HealthPage(healthy).router.routes())
    return {route.name: route for route in every}


def schemas_in(parameter: Parameter) -> Iterator[Mapping[str, Any]]:
    yield parameter.schema
    yield from parameter.schema.get("anyOf", ())
    if "items" in parameter.schema:
        yield parameter.schema["items"]


def example(parameter: Parameter, schedule: str) -> str:
    """Return a value that the schema of a parameter allows."""
    for schema in schemas_in(parameter):
        if "enum" in schema:
            return str(schema["enum"][0]).lower()
        if schema.get("format") == "schedule":
            return schedule
        if schema.get("format") in EXAMPLES:
            return EXAMPLES[schema["format"]]
        if schema.get("type") in {"integer", "number"}:
            return str(schema["minimum"])
    return PATTERNS.get(parameter.name, "7")


async def no_pause() -> None:
    """Nobody else has a turn."""


def reads(world: World, route: Route, operation: Operation, path: Path) -> dict[str, Any]:
    """Run the handler of a route with all that is documented, and without an `id`."""
    seen: dict[str, Any] = {}
    kind = type("OneRecording", (Recording,), {"read": seen})
    given = [one for one in operation.parameters if one.place is None]
    world.put_project()
    order = {"project": "quotesbot", "spider": "toscrape-css", "when": "every hour"}
    schedule = world.client().post("/schedule-job.json", form=order).json["identifier"]
    values = {
        one.name: example(one, schedule) for one in operation.parameters if one.place == "path"
    }
    if "job" in values:
        values["job"] = str(world.enqueue())
    for names in ({one.name for one in given}, {one.name for one in given if one.name != "id"}):
        fields = {one.name: (example(one, schedule),) for one in given if one.name in names}
        archive = UploadedFile(path=path / "none.zip", size_bytes=1, filename="none.zip")
        files = {"archive": archive} if fields.pop("archive", None) else {}
        call = Call(
            method=route.method,
            path=route.pattern,
            base_url="http://localhost:7654",
            params=kind(fields, files),
            principal=TESTER,
            headers={},
            client="127.0.0.1",
            in_thread=inline,
            pause=no_pause,
        )
        try:
            handled: Any = route.handler(call, **values)
            world.do(handled)
        except (ScrapyDoError, OSError):
            continue  # what is asked for is not there, but it was read what is asked for
    return seen


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    """It is OpenAPI 3.1, by the rules of OpenAPI."""
    validate(document)
    assert document["openapi"].startswith("3.1")


def test_every_route_is_described(world: World, document: dict[str, Any]) -> None:
    """All routes of the dialect with method and role, and the streams; nothing else."""
    routes = routes_of(world)
    pages = pages_of(world)
    assert OPERATIONS.keys() == {route.name for route in routes}
    assert ELSEWHERE.keys() <= pages.keys()
    expected = {
        (route.method, route.pattern.replace("path:", "").replace("<", "{").replace(">", "}")): (
            route.role.name.lower()
        )
        for route in (*routes, *(pages[name] for name in ELSEWHERE))
    }
    assert expected == {
        (method.upper(), path): said["x-role"]
        for path, methods in document["paths"].items()
        for method, said in methods.items()
    }


@pytest.mark.parametrize("name", [*OPERATIONS, *ELSEWHERE])
def test_every_argument_is_described(world: World, name: str, tmp_path: Path) -> None:
    """What a handler reads is what is documented, with the same limits and defaults."""
    every = {route.name: route for route in routes_of(world)} | pages_of(world)
    operation = OPERATIONS[name] if name in OPERATIONS else ELSEWHERE[name][1]

    seen = reads(world, every[name], operation, tmp_path)

    # `follow` is read by what sends files, when there is one.
    sent = {"follow"} if LogNotFound in operation.errors else set()
    documented = {one.name: one for one in operation.parameters if one.place is None}
    assert seen.keys() | sent == documented.keys()
    for parameter in documented.values():
        rule = seen.get(parameter.name, {})
        schemas = tuple(schemas_in(parameter))
        for limit in ("minimum", "maximum"):
            if limit in rule:
                assert rule[limit] in [one.get(limit) for one in schemas], parameter.name
        if rule.get("default") not in (None, 0.0, False):
            assert rule["default"] == parameter.schema.get("default"), parameter.name
        if rule.get("type") in {"integer", "number"}:
            assert rule["type"] in [one.get("type") for one in schemas], parameter.name
        if rule.get("type") == "timestamp":
            assert "date-time" in [one.get("format") for one in schemas], parameter.name


@pytest.mark.parametrize(
    "kind",
    [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type)
        and issubclass(kind, ScrapyDoError)
        and kind not in {ScrapyDoError, LogNotFound, *NO_ERROR_OF_A_REQUEST}
    ],
)
def test_every_status_is_described(kind: type[ScrapyDoError], document: dict[str, Any]) -> None:
    """Whatever error a call may meet, its status is documented with that call."""
    status = str(status_of_kind(kind, STYLE))
    for path, methods in document["paths"].items():
        for method, said in methods.items():
            if not path.startswith(("/ui/", "/healthz")) and (
                method == "post" or kind is not errors.TooLarge
            ):
                assert status in said["responses"], f"{method} {path}"


def test_files_have_their_own_statuses(document: dict[str, Any]) -> None:
    """What sends files may find none (404), and ranges of them (206, 416)."""
    for path in ("/get-log/data/{name}", "/get-items/data/{name}", "/get-file/data/{job}/{path}"):
        assert {"200", "206", "404", "416"} <= document["paths"][path]["get"]["responses"].keys()


def test_fields_of_answers_are_described(world: World, document: dict[str, Any]) -> None:
    """The fields of jobs, schedules, projects and the status are those of the document."""
    world.put_project()
    client = world.client()
    order = {"project": "quotesbot", "spider": "toscrape-css"}
    job = client.post("/schedule-job.json", form={**order, "when": "now"}).json["identifier"]
    client.post("/schedule-job.json", form={**order, "when": "every hour"})
    schemas = document["components"]["schemas"]

    def fields(schema: Mapping[str, Any]) -> set[str]:
        return set(schema["properties"])

    listed = client.get("/list-jobs.json?status=ACTIVE").json["jobs"]
    by_kind = {"next-run" in row: set(row) for row in listed}
    assert by_kind == {False: fields(schemas["Job"]), True: fields(schemas["ScheduledJob"])}
    assert set(client.get(f"/job.json?id={job}").json["job"]) == fields(schemas["JobDetails"])
    (schedule,) = client.get("/list-schedules.json").json["schedules"]
    assert set(schedule) == fields(schemas["Schedule"])
    (project,) = client.get("/list-projects.json").json["details"]
    assert set(project) == fields(schemas["Project"])
    (version,) = client.get("/list-versions.json?project=quotesbot").json["versions"]
    assert set(version) == fields(schemas["Version"])
    said = document["paths"]["/status.json"]["get"]["responses"]["200"]["content"]
    assert set(client.get("/status.json").json) == fields(said["application/json"]["schema"])
