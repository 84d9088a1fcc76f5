"""Lists as programs and spreadsheets take them: the `.json` and `.csv` twins of pages."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from scrapy_do.web.answer import Response, json_response

CSV = "text/csv; charset=utf-8"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def json_twin(name: str, rows: Sequence[Mapping[str, Any]], **more: Any) -> Response:  # noqa: ANN401 - JSON values
    """The rows of a list under its name."""
    return json_response({name: rows, **more}, headers=(("Cache-Control", "no-store"),))


def csv_twin(filename: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Response:
    """The rows of a list as a table, to be saved as a file."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([cell(row[column]) for column in columns])
    return Response(
        body=file.getvalue().encode("utf-8", "backslashreplace"),
        content_type=CSV,
        headers=(
            ("Cache-Control", "no-store"),
            ("Content-Disposition", f'attachment; filename="{filename}"'),
        ),
    )


def csv_line(cells: Sequence[str]) -> bytes:
    """A row of a table as it is sent."""
    file = io.StringIO()
    csv.writer(file).writerow(cells)
    return file.getvalue().encode("utf-8", "backslashreplace")


def cell(value: object) -> str:
    """A value as the text of a cell that no spreadsheet takes for a formula."""
    if value is None:
        return ""
    if isinstance(value, bool | int | float):
        return str(value)
    text = value if isinstance(value, str) else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
