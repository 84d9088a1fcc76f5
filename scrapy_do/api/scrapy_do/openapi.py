"""The API as an OpenAPI 3.1 document, made of the table of routes.

Method, path, role and words are the routes' own, statuses come from the tables of errors, what
a route reads from `parameters`, what it answers from `schemas`.
"""

import re
from collections.abc import Iterable
from typing import Any

from scrapy_do import __version__
from scrapy_do.api.scrapy_do.parameters import ELSEWHERE, OPERATIONS, Operation, Parameter
from scrapy_do.api.scrapy_do.schemas import ANSWERS, SCHEMAS, reference_to
from scrapy_do.core.principal import Role
from scrapy_do.errors import (
    Denied,
    Invalid,
    NoSpace,
    NotAuthenticated,
    ScrapyDoError,
    TooLarge,
    TooManyGuesses,
    Unavailable,
    WrongHost,
)
from scrapy_do.web.router import Route
from scrapy_do.web.status import ErrorStyle, InternalError, UnsatisfiableRange, status_of_kind

OPENAPI = "3.1.0"
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
JSON = "application/json"
UPLOADS = ("multipart/form-data", "application/zip", "application/octet-stream")

_VALUE = re.compile(r"<(?:\w+:)?(\w+)>")
_BLANKS = re.compile(r"\s+")
_MEANINGS = {
    400: "Something is wrong with what was asked; `error` says what",
    401: "Credentials are needed, or these are not known",
    403: "Who asks may not do this, or a browser asks from elsewhere",
    404: "There is no such file",
    405: "No method does anything here",
    413: "The body is too large",
    416: "No byte of the file is in the range",
    421: "The daemon is not known under this name",
    429: "Too many wrong credentials came from this address",
    500: "A bug; the log says more",
    503: "Not now; trying again helps",
    507: "The disk is full",
}
_ANY: tuple[type[ScrapyDoError], ...] = (
    Invalid,
    NotAuthenticated,
    Denied,
    TooManyGuesses,
    WrongHost,
    InternalError,
    Unavailable,
    NoSpace,
)
"""What may become of every request."""

_PAGES = ErrorStyle()
"""The statuses of the rooms that say nothing of their own about errors."""

Document = dict[str, Any]


def openapi_document(routes: Iterable[Route], style: ErrorStyle) -> Document:
    """The whole document."""
    paths: Document = {}
    for route in routes:
        said = _operation(
            route.method, route.pattern, OPERATIONS[route.name], style, route.handler.__doc__ or ""
        )
        said["x-role"] = route.role.name.lower()
        paths.setdefault(_path(route.pattern), {})[route.method.lower()] = said
    for name, (what, operation) in ELSEWHERE.items():
        method, pattern = name.split(" ")
        said = _operation(method, pattern, operation, _PAGES, what)
        said["x-role"] = Role.READ.name.lower()
        paths[_path(pattern)] = {method.lower(): said}
    paths["/healthz"]["get"]["security"] = []
    return {
        "openapi": OPENAPI,
        "info": {
            "title": "Scrapy Do",
            "version": __version__,
            "description": "Run and schedule Scrapy spiders. Fields may be added at any time; "
            "those that are there keep their meaning. `x-role` is what the user must be.",
            "license": {"name": "BSD-3-Clause", "identifier": "BSD-3-Clause"},
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"basic": []}, {"digest": []}, {"bearer": []}, {"apikey": []}],
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "responses": _failures(),
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic"},
                "digest": {"type": "http", "scheme": "digest"},
                "bearer": {"type": "http", "scheme": "bearer"},
                "apikey": {"type": "apiKey", "in": "query", "name": "apikey"},
            },
        },
    }


def _path(pattern: str) -> str:
    return _VALUE.sub(r"{\1}", pattern)


def _operation(
    method: str, pattern: str, operation: Operation, style: ErrorStyle, words: str
) -> Document:
    text = _BLANKS.sub(" ", words).strip()
    said: Document = {
        "operationId": re.sub(r"\W+", "-", pattern.removesuffix(".json")).strip("-") or "root",
        "summary": re.split(r"[.;] |\.$", text)[0],
        "description": text,
        "responses": _responses(method, pattern, operation, style),
    }
    asked = [one for one in operation.parameters if method == "GET" or one.place]
    if asked:
        said["parameters"] = [_parameter(one) for one in asked]
    if method != "GET":
        said["requestBody"] = _body(operation)
    return said


def _parameter(parameter: Parameter) -> Document:
    return {
        "name": parameter.name,
        "in": parameter.place or "query",
        "required": parameter.is_required,
        "description": parameter.what,
        "schema": parameter.schema,
    }


def _body(operation: Operation) -> Document:
    fields = [one for one in operation.parameters if one.place is None]
    form = {
        "type": "object",
        "properties": {one.name: {**one.schema, "description": one.what} for one in fields},
        "required": [one.name for one in fields if one.is_required],
    }
    document = {**form, "properties": {one.name: _in_json(one) for one in fields}}
    content: Document = {media: {"schema": form} for media in FORMS}
    content[JSON] = {"schema": document}
    if operation.is_upload:
        form_media, *raw = UPLOADS
        content = {form_media: {"schema": form}, **{media: {} for media in raw}}
    said: Document = {"required": bool(form["required"]), "content": content}
    if operation.is_upload:
        said["description"] = (
            "A form, or the archive itself; the other fields are then in the query"
        )
    return said


def _in_json(parameter: Parameter) -> Document:
    """What a member of a JSON body may be: a text also a number, one value also null for none.

    A list repeats a value, and one that may be repeated needs no list.
    """
    schema = {**parameter.schema, "description": parameter.what}
    if parameter.schema.get("format") == "json":
        whole = {"type": ["object", "array", "number", "boolean", "null"]}
        return {"anyOf": [schema, whole], "description": parameter.what}
    if set(parameter.schema) == {"type"} and parameter.schema["type"] == "string":
        schema["type"] = ["string", "number", "boolean"]
    if parameter.is_required:
        return schema
    single = [schema["items"]] if parameter.schema.get("type") == "array" else []
    return {"anyOf": [schema, *single, {"type": "null"}]}


def _responses(method: str, pattern: str, operation: Operation, style: ErrorStyle) -> Document:
    said: Document = {}
    if operation.status:
        said[str(operation.status)] = _good(pattern, operation)
    if UnsatisfiableRange in operation.errors:
        said["206"] = {**_good(pattern, operation), "description": "A part of it"}
    kinds = (*_ANY, *operation.errors, *(() if method == "GET" else (TooLarge,)))
    for status in sorted({status_of_kind(kind, style) for kind in kinds}):
        room = "Error" if style is not _PAGES else "Failure"
        said[str(status)] = {"$ref": f"#/components/responses/{room}{status}"}
    return said


def _good(pattern: str, operation: Operation) -> Document:
    said: Document = {"description": "It went well"}
    if operation.headers:
        said["headers"] = {
            name: {"schema": {"const": value}} for name, value in operation.headers.items()
        }
    if operation.media is not None:
        schema = ANSWERS.get(pattern, {"type": "string"})
        said["content"] = {operation.media: {"schema": schema}}
    return said


def _failures() -> Document:
    """The answers to what goes wrong: of this API in its words, of other rooms in theirs."""
    said: Document = {}
    for status, meaning in _MEANINGS.items():
        said[f"Failure{status}"] = {"description": meaning}
        content = {"application/json": {"schema": reference_to("Error")}}
        said[f"Error{status}"] = {"description": meaning, "content": content}
    return said
