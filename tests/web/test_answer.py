"""How values are written: the same text as all at once, but a few rows in each turn."""

import json
from pathlib import Path
from typing import Any

import pytest

from scrapy_do.web.answer import ROWS_PER_TURN, Rows, whole_answer, written_json
from tests.http_client import HttpClient, completed, site_of
from tests.web.dialects import Echo, Single

MANY = [{"n": number, "t": "ü"} for number in range(4 * ROWS_PER_TURN)]


@pytest.mark.parametrize(
    "value",
    [
        None,
        1,
        "ü",
        [],
        {},
        [1, 2],
        {"a": []},
        {"a": [1], "b": {"c": [2]}},
        MANY,
        {"a": MANY, "b": 1},
    ],
)
def test_text_of_a_value(value: Any) -> None:
    """A value written in turns is the text that it is when it is written at once."""
    pauses: list[None] = []

    async def pause() -> None:
        pauses.append(None)

    response = completed(whole_answer(written_json(value), pause))
    rows = max((len(one) for one in (value, *_members(value)) if isinstance(one, list)), default=0)
    assert response.body.decode() == json.dumps(value, ensure_ascii=False) + "\n"
    assert len(pauses) == rows // ROWS_PER_TURN


def _members(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else []


def test_others_have_their_turn(tmp_path: Path) -> None:
    """While a long list is made others are answered, and no row is made before its turn."""
    made: list[int] = []

    async def many(_call: object) -> dict[str, Any]:
        def rows() -> Any:
            for number in range(9 * ROWS_PER_TURN):
                made.append(number)
                yield number

        return {"status": "ok", "rows": Rows(made=rows())}

    client = HttpClient(site_of(Single(many), Echo("/echo"), spool_dir=tmp_path))
    connection = client.connect()
    connection.send(client.raw_request("GET", "/one"))
    found = (len(made), connection.answers(), client.get("/echo/echo").status)
    client.clock.advance(0)
    assert (2 * ROWS_PER_TURN, [], 200) == found
    (answer,) = connection.answers()
    assert answer.json == {"status": "ok", "rows": list(range(9 * ROWS_PER_TURN))}
