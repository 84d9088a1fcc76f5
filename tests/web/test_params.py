"""Typed reading of arguments."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from scrapy_do.errors import BadArgument
from scrapy_do.web.params import Params, parse_uuid
from scrapy_do.web.upload import Form, UploadedFile

ID = "c2a0e5f4-7c7b-4a55-9b59-5a3bb7ea7c52"
FILE = UploadedFile(path=Path("upload-1.part"), size_bytes=3, filename="a.zip")


def params(**fields: str) -> Params:
    return Params({name: (value,) for name, value in fields.items()})


def problem(reader: Any, *arguments: Any, **options: Any) -> str:
    with pytest.raises(BadArgument) as caught:
        reader(*arguments, **options)
    return str(caught.value)


def test_missing_argument_is_named() -> None:
    """A missing argument is named in the words of the API."""
    assert problem(params().text, "when") == "Missing argument: when"


def test_all_missing_arguments_are_named() -> None:
    """`require` names all that are missing, in the order of asking."""
    assert problem(params(b="1").require, "a", "b", "c") == "Missing argument: a, c"


def test_first_of_repeated_values_wins() -> None:
    """A repeated single-valued argument has its first value; `texts` has all."""
    found = Params({"tag": ("x", "y")})
    assert ("x", ("x", "y"), ()) == (found.text("tag"), found.texts("tag"), found.texts("no"))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_end_of_a_file_is_no_part_of_a_value(end: str) -> None:
    """Curl sends a file's last line break with the value; one is dropped, whatever is read."""
    found = params(a=f"x{end}", n=f"5{end}", f=f"yes{end}", c=f"b{end}", t=f"two{end}{end}")

    assert found.text("a") == "x"
    assert found.integer("n", minimum=0, maximum=9, default=None) == 5
    assert found.flag("f")
    assert found.choice("c", ("a", "b"), default=None) == "b"
    assert found.texts("t") == (f"two{end}",)


def test_json_is_taken_as_it_is() -> None:
    """A text in a JSON body has the line breaks that somebody wrote."""
    found = Params.of({}, Form(document={"a": "x\n", "b": ["y\n"]}))

    assert ("x\n", ("y\n",)) == (found.text("a"), found.texts("b"))


def test_empty_value_is_present() -> None:
    """An empty value is a value."""
    assert params(description="").text("description") == ""


def test_body_hides_query() -> None:
    """A name in the body hides the same name in the query."""
    form = Form(fields={"a": ("body",)}, files={"archive": FILE})
    found = Params.of({"a": ("query", "more"), "b": ("query",)}, form)
    assert {"a": ("body",), "b": ("query",)} == dict(found.fields)
    assert found.file("archive") == FILE


def test_json_object_gives_arguments() -> None:
    """The members of a JSON object are arguments: lists repeat, null is absent."""
    document = {"n": 5, "yes": True, "tags": ["a", "b"], "none": None, "deep": {"k": [1]}}
    found = Params.of({}, Form(document=document))
    expected = {"n": ("5",), "yes": ("true",), "tags": ("a", "b"), "deep": ('{"k": [1]}',)}
    assert expected == dict(found.fields)


def test_json_body_must_be_an_object() -> None:
    """A JSON body that is no object is refused."""
    expected = "JSON: must be an object, its members are the arguments"
    assert expected == problem(Params.of, {}, Form(document=[1]))


@pytest.mark.parametrize("member", [[], ["a"], {}, {"k": 1}])
def test_one_value_is_no_list_and_no_object(member: Any) -> None:
    """Where a JSON body must hold one value, a list or an object is refused."""
    found = Params.of({}, Form(document={"note": member or [member]}))
    assert problem(found.text, "note") == "note: must be one value, not a list or an object"


@pytest.mark.parametrize(
    ("member", "expected"),
    [([1, 2], "[1, 2]"), ({"a": 1}, '{"a": 1}'), ("[3]", "[3]"), (None, "null"), (1.5, "1.5")],
)
def test_json_text_of_a_json_body(member: Any, expected: str) -> None:
    """An argument that is JSON may be a member of a JSON body as it is, or a text in it."""
    found = Params.of({}, Form(document={"payload": member}))
    assert found.json_text("payload", "{}") == expected


def test_json_text_of_a_form() -> None:
    """An argument that is JSON is the text of a form's field, or the default."""
    assert params(payload='{"a":1}').json_text("payload", "{}") == '{"a":1}'
    assert params().json_text("payload", "{}") == "{}"


@pytest.mark.parametrize(("text", "expected"), [("1", 1), ("10", 10), ("+7", 7), ("007", 7)])
def test_integer(text: str, expected: int) -> None:
    """Whole numbers within both limits are read."""
    assert params(n=text).integer("n", minimum=1, maximum=10, default=None) == expected


@pytest.mark.parametrize("text", ["0", "11", "", "1.0", "0x1", "1e1", "\u0663", " 1", "9" * 5000])
def test_integer_refused(text: str) -> None:
    """What is no whole number within the limits is refused, with the limits."""
    message = problem(params(n=text).integer, "n", minimum=1, maximum=10, default=None)
    assert message.startswith("n: must be a whole number from 1 to 10, not ")
    assert len(message) < 200


def test_defaults() -> None:
    """Absent arguments have their defaults."""
    found = params()
    assert (7, None, 0.5, True, None, "x", None, None) == (
        found.integer("a", minimum=0, maximum=9, default=7),
        found.integer("a", minimum=0, maximum=9, default=None),
        found.number("a", minimum=0, maximum=9, default=0.5),
        found.flag("a", default=True),
        found.choice("a", ("x",), default=None),
        found.optional_text("a", "x"),
        found.optional_text("a"),
        found.timestamp("a", default=None),
    )


@pytest.mark.parametrize("number", [2**60 - 1, 2**60, 10**18, -(2**60)])
def test_the_limits_themselves_are_within(number: int) -> None:
    """However large a limit is, the number at it is accepted."""
    found = params(n=str(number)).integer("n", minimum=-(2**60), maximum=2**60, default=None)
    assert found == number


def test_a_whole_number_of_json_may_have_a_point() -> None:
    """A JSON body may write a whole number as 5.0; half a number is none."""
    found = Params.of({}, Form(document={"whole": 5.0, "half": 0.5}))
    assert found.integer("whole", minimum=1, maximum=10, default=None) == 5
    message = problem(found.integer, "half", minimum=0, maximum=10, default=None)
    assert message == 'half: must be a whole number from 0 to 10, not "0.5"'


def test_number() -> None:
    """Numbers within limits, also as JSON writes small ones, are read; others are refused."""
    for text, expected in (
        ("2.5", 2.5),
        ("1e-07", 1e-07),
        ("0.12345678901234567", 0.12345678901234567),
    ):
        assert params(t=text).number("t", minimum=0, maximum=10, default=None) == expected
    for text in ("nan", "inf", "1e3", "-1", "11", "1_0", ".5"):
        message = problem(params(t=text).number, "t", minimum=0, maximum=10, default=None)
        assert message == f't: must be a number from 0 to 10, not "{text}"'


@pytest.mark.parametrize("text", ["1", "true", "True", "YES", "on", "y"])
def test_flag_yes(text: str) -> None:
    """The usual spellings of yes are true."""
    assert params(f=text).flag("f") is True


@pytest.mark.parametrize("text", ["0", "false", "False", "no", "OFF", ""])
def test_flag_no(text: str) -> None:
    """The usual spellings of no are false."""
    assert params(f=text).flag("f", default=True) is False


def test_flag_refused() -> None:
    """Other words are neither."""
    assert problem(params(f="maybe").flag, "f") == 'f: must be 1 or 0, not "maybe"'


def test_uuid() -> None:
    """A UUID is read with and without hyphens, in any case."""
    for text in (ID, ID.replace("-", ""), ID.upper()):
        assert params(id=text).uuid("id") == UUID(ID)


@pytest.mark.parametrize(
    "text", ["", "foo", f"{{{ID}}}", f"urn:uuid:{ID}", ID + "0", ID[:-1], f" {ID}", ID + "\n"]
)
def test_uuid_in_disguise(text: str) -> None:
    """Nothing but the two usual spellings is a UUID."""
    assert parse_uuid(text) is None
    assert problem(params(id=text).uuid, "id").startswith("id: must be a UUID, not ")


def test_choice() -> None:
    """A choice is one of its words, spelled exactly so."""
    options = ("ACTIVE", "COMPLETED")
    assert params(s="ACTIVE").choice("s", options, default=None) == "ACTIVE"
    expected = 's: must be one of ACTIVE, COMPLETED, not "active"'
    assert problem(params(s="active").choice, "s", options, default=None) == expected


@pytest.mark.parametrize(
    "text",
    [
        "2026-06-03T10:00:00Z",
        "2026-06-03T12:00:00+02:00",
        "2026-06-03T12:00:00 02:00",
        "20260603T100000Z",
        "2026-06-03T10:00:00.000000+00:00",
    ],
)
def test_timestamp(text: str) -> None:
    """An instant is read in any ISO 8601 spelling with an offset, also a plus made blank."""
    expected = datetime(2026, 6, 3, 10, tzinfo=UTC)
    assert params(t=text).timestamp("t", default=None) == expected


@pytest.mark.parametrize(
    "text", ["", "now", "2026-06-03", "2026-06-03T10:00:00", "2026-13-01T00:00Z", "1754000000"]
)
def test_timestamp_refused(text: str) -> None:
    """A time without offset could mean anything, so it is refused with an example."""
    message = problem(params(t=text).timestamp, "t", default=None)
    assert message.startswith("t: must be a time with its offset as 2026-06-03T10:00:00Z, not ")


def test_timestamp_at_the_edge() -> None:
    """An instant that has no UTC form is refused, too."""
    problem(params(t="0001-01-01T00:00:00+14:00").timestamp, "t", default=None)


def test_file() -> None:
    """A file part is a file; a field of that name is told from it."""
    assert Params({}, {"archive": FILE}).file("archive") == FILE
    assert problem(params().file, "archive") == "Missing argument: archive"
    expected = "archive: must be a file, as in curl -F archive=@FILE"
    assert problem(params(archive="x").file, "archive") == expected
    expected = "project: must be a field, not a file"
    assert problem(Params({}, {"project": FILE}).text, "project") == expected


def test_long_and_odd_values_are_shown_safely() -> None:
    """A message shows a value short and without control characters."""
    message = problem(params(f="\x1b[31m" + "x" * 1000).flag, "f")
    assert message == 'f: must be 1 or 0, not "\\u001b[31m' + "x" * 55 + '..."'
