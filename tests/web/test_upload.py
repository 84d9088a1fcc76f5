"""Bodies taken in piece by piece."""

import errno
import tempfile
from pathlib import Path
from random import Random
from typing import Any

import pytest

from scrapy_do.errors import BadArgument, NoSpace, ScrapyDoError, TooLarge
from scrapy_do.web.sinks import Sink, sink_for
from scrapy_do.web.spool import MEMORY_BYTES, Spool
from scrapy_do.web.status import Malformed
from scrapy_do.web.upload import (
    FIELD_BYTES,
    FIELDS,
    FORM_BYTES,
    JSON_BYTES,
    BodyRules,
    Form,
    decode_pairs,
    parse_json,
)
from tests.http_client import BOUNDARY, multipart

MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"
URLENCODED = "application/x-www-form-urlencoded"


def sink(directory: Path, kind: str, *, encoding: str = "", **rules: Any) -> Sink:
    return sink_for(BodyRules(**rules), kind, encoding, directory)


def take(sink: Sink, data: bytes, size: int = 100_000) -> Form:
    for start in range(0, len(data), size):
        sink.write(data[start : start + size])
    return sink.finish()


def refused(sink: Sink, data: bytes) -> ScrapyDoError:
    with pytest.raises(ScrapyDoError) as caught:
        take(sink, data)
    sink.discard()
    return caught.value


def test_multipart_in_pieces_of_any_size(tmp_path: Path) -> None:
    """Wherever the pieces of a body are cut, fields and files come out the same."""
    content = b"PK\x03\x04" + Random(7).randbytes(500) + b"\r\n--" + BOUNDARY[:9].encode()
    body = multipart(
        {"tag": ["a", "b"], "text": "na\u00efve\r\n", "empty": ""},
        {"archive": ("x.zip", content), "none": ("", b"")},
    )
    for size in (1, 2, 3, 7, 64, 1000, len(body)):
        taken = sink(tmp_path, MULTIPART)
        form = take(taken, body, size)
        assert {"tag": ("a", "b"), "text": ("na\u00efve\r\n",), "empty": ("",)} == form.fields
        found = {
            name: (file.filename, file.size_bytes, file.path.read_bytes())
            for name, file in form.files.items()
        }
        assert {"archive": ("x.zip", len(content), content), "none": ("", 0, b"")} == found
        taken.discard()
    assert list(tmp_path.iterdir()) == []


def test_files_are_private(tmp_path: Path) -> None:
    """An upload is readable by its owner only, and its name is ours."""
    body = multipart({}, {"archive": ("../../etc/passwd", b"x")})
    taken = sink(tmp_path, MULTIPART)
    file = take(taken, body).files["archive"]
    assert ("../../etc/passwd", tmp_path, 0o600) == (
        file.filename,
        file.path.parent,
        file.path.stat().st_mode & 0o777,
    )
    taken.discard()


def test_first_of_repeated_files_wins(tmp_path: Path) -> None:
    """Of two files of one name the first counts, and both are deleted."""
    part = multipart({}, {"archive": ("1", b"one")})[: -len(BOUNDARY) - 6]
    taken = sink(tmp_path, MULTIPART)
    form = take(taken, part + multipart({}, {"archive": ("2", b"two")}))
    assert form.files["archive"].path.read_bytes() == b"one"
    taken.discard()
    assert list(tmp_path.iterdir()) == []


def test_renamed_file_stays(tmp_path: Path) -> None:
    """A file that was renamed away is not deleted."""
    taken = sink(tmp_path, MULTIPART)
    form = take(taken, multipart({}, {"archive": ("1", b"one")}))
    form.files["archive"].path.rename(tmp_path / "kept")
    taken.discard()
    taken.discard()
    assert [tmp_path / "kept"] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "Multipart body: Unexpected end of multipart stream (parser closed)"),
        (
            multipart({"a": "1"}, {})[:-8],
            "Multipart body: Unexpected end of multipart stream (parser closed)",
        ),
        (
            f"--{BOUNDARY}\r\nContent-Type: text/plain\r\n\r\nx\r\n--{BOUNDARY}--".encode(),
            "Multipart body: Missing Content-Disposition segment header",
        ),
        (
            f"--{BOUNDARY}\r\nContent-Disposition: form-data\r\n\r\nx\r\n".encode(),
            "Multipart body: a part without a name",
        ),
        (
            f"--{BOUNDARY}\nContent-Disposition: form-data".encode(),
            "Multipart body: Invalid line break after first boundary",
        ),
    ],
)
def test_broken_multipart(tmp_path: Path, body: bytes, message: str) -> None:
    """A broken multipart body is refused with the reason."""
    error = refused(sink(tmp_path, MULTIPART), body)
    assert (Malformed, message) == (type(error), str(error))


def test_multipart_without_boundary(tmp_path: Path) -> None:
    """A multipart body without a boundary is refused before its first byte."""
    with pytest.raises(Malformed, match=r"^Multipart body: Empty boundary$"):
        sink(tmp_path, "multipart/form-data")


def test_large_field_is_refused_while_it_arrives(tmp_path: Path) -> None:
    """A field above its limit is refused by name, before the body has ended."""
    head = multipart({"payload": ""}, {})[: -len(BOUNDARY) - 8]
    taken = sink(tmp_path, MULTIPART)
    taken.write(head + b"x" * (FIELD_BYTES - 1000))
    with pytest.raises(TooLarge, match=rf"^The field payload .* {FIELD_BYTES} bytes$"):
        taken.write(b"x" * 2000)


def test_many_fields_are_refused(tmp_path: Path) -> None:
    """The fields of a form are bounded in number and in sum, not only one by one."""
    many = multipart({"f": ["x"] * (FIELDS + 1)}, {})
    assert str(refused(sink(tmp_path, MULTIPART), many)) == (
        "Multipart body: Maximum segment count exceeded"
    )
    large = multipart({"f": ["x" * (FIELD_BYTES - 1)] * (FORM_BYTES // FIELD_BYTES + 1)}, {})
    assert type(refused(sink(tmp_path, MULTIPART), large)) is TooLarge
    pairs = b"&".join([b"a=1"] * (FIELDS + 1))
    assert str(refused(sink(tmp_path, URLENCODED), pairs)) == f"More than {FIELDS} fields"


def test_field_that_is_not_utf8(tmp_path: Path) -> None:
    """Invalid UTF-8 is refused by the name of its field, in every kind of body."""
    expected = "description: is not valid UTF-8"
    body = multipart({"description": "?"}, {}).replace(b"?", b"\xff\xfe")
    assert str(refused(sink(tmp_path, MULTIPART), body)) == expected
    assert str(refused(sink(tmp_path, URLENCODED), b"description=%FF")) == expected
    assert type(refused(sink(tmp_path, URLENCODED), b"%FF=1")) is BadArgument


def test_urlencoded(tmp_path: Path) -> None:
    """An urlencoded form gives its fields: blanks as plus, empty and repeated values kept."""
    form = take(sink(tmp_path, URLENCODED + "; charset=UTF-8"), b"a=1+2&b=&a=%C3%BC&&c&=", 1)
    assert form == Form(fields={"a": ("1 2", "\u00fc"), "b": ("",), "c": ("",)})


@pytest.mark.parametrize(
    ("body", "content", "fields"),
    [
        (b"archive=P%4b+%00%2b", b"PK \x00+", {}),
        (b"archive=PK&a=1", b"PK", {"a": ("1",)}),
        (b"archive=PK&project=q%20b&x", b"PK", {"project": ("q b",), "x": ("",)}),
        (b"a=1&archive=PK&a=2", b"PK", {"a": ("1", "2")}),
        (b"archive=one&archive=two", b"one", {"archive": ("two",)}),
        (b"archive=", b"", {}),
        (b"archive=ab%2", b"ab%2", {}),
        (b"archive=%zz&", b"%zz", {}),
        (b"archives=1&archive=2", b"2", {"archives": ("1",)}),
        (b"arch=1", None, {"arch": ("1",)}),
        (b"arch", None, {"arch": ("",)}),
        (b"", None, {}),
    ],
)
def test_file_as_a_value(
    tmp_path: Path, body: bytes, content: bytes | None, fields: dict[str, tuple[str, ...]]
) -> None:
    """A file that is a value of an urlencoded form goes to disk, wherever the pieces are cut."""
    for size in (1, 2, 3, 5, 100):
        taken = sink(tmp_path, URLENCODED, upload="archive")
        form = take(taken, body, size)
        found = {name: file.path.read_bytes() for name, file in form.files.items()}
        assert ({} if content is None else {"archive": content}, fields) == (found, form.fields)
        taken.discard()
    assert list(tmp_path.iterdir()) == []


def test_query_separator_is_the_ampersand() -> None:
    """A semicolon is part of a value."""
    assert decode_pairs(b"a=1;b=2") == {"a": ("1;b=2",)}


def test_json(tmp_path: Path) -> None:
    """A JSON body gives its value; an empty one gives none."""
    kind = "application/json; charset=utf-8"
    assert take(sink(tmp_path, kind), b'{"a": [1]}', 3) == Form(document={"a": [1]})
    assert take(sink(tmp_path, kind), b"") == Form()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"nul",
        b"\xff",
        b"NaN",
        b'{"a": Infinity}',
        b"1" * 5000,
        b"[" * 65 + b"]" * 65,
        b"[" * 500_000,
    ],
)
def test_bad_json(text: bytes) -> None:
    """What is no JSON, or too deep, is refused."""
    with pytest.raises(BadArgument, match=r"^JSON: is "):
        parse_json(text)


def test_deep_json() -> None:
    """Sixty-three levels are read."""
    assert parse_json(b"[" * 63 + b"]" * 63) is not None


def test_large_json(tmp_path: Path) -> None:
    """A JSON body above its limit is refused while it arrives."""
    assert type(refused(sink(tmp_path, "application/json"), b" " * (JSON_BYTES + 1))) is TooLarge


def test_large_urlencoded_form(tmp_path: Path) -> None:
    """An urlencoded form above its limit is refused while it arrives, and so is a field."""
    assert type(refused(sink(tmp_path, URLENCODED), b"a" * (FORM_BYTES + 1))) is TooLarge
    error = refused(sink(tmp_path, URLENCODED), b"a=" + b"x" * (FIELD_BYTES + 1))
    assert str(error) == f"The field a is larger than the limit of {FIELD_BYTES} bytes"


@pytest.mark.parametrize("kind", [MULTIPART, URLENCODED, "application/json"])
def test_compressed_forms_are_refused(tmp_path: Path, kind: str) -> None:
    """A form must not be compressed; `identity` is no compression."""
    with pytest.raises(Malformed, match="must not be compressed"):
        sink(tmp_path, kind, encoding="gzip")
    sink(tmp_path, kind, encoding="identity")


def test_raw_body_stands_for_the_upload(tmp_path: Path) -> None:
    """A body of another type is the file that the route is about."""
    taken = sink(tmp_path, "application/zip", upload="archive")
    file = take(taken, b"PK").files["archive"]
    assert (2, "", b"PK") == (file.size_bytes, file.filename, file.path.read_bytes())
    taken.discard()
    assert list(tmp_path.iterdir()) == []


def test_empty_raw_body_is_no_upload(tmp_path: Path) -> None:
    """An empty body stands for no file, so that the argument is missing."""
    taken = sink(tmp_path, "", upload="archive")
    assert take(taken, b"").files == {}
    taken.discard()
    assert list(tmp_path.iterdir()) == []


def test_raw_route_keeps_forms_as_bytes(tmp_path: Path) -> None:
    """A raw route gets the bytes of what calls itself a form, small ones without a file."""
    taken = sink(tmp_path, URLENCODED, raw=True, encoding="identity")
    form = take(taken, b'{"a":1}\n')
    assert form.body is not None
    assert (b'{"a":1}\n', URLENCODED, "identity", 8, []) == (
        form.body.spool.open().read(),
        form.body.content_type,
        form.body.encoding,
        form.body.size_bytes,
        list(tmp_path.iterdir()),
    )


def test_spool_moves_to_disk(tmp_path: Path) -> None:
    """Bytes above the memory limit are on disk, all of them, and nothing stays in memory."""
    spool = Spool(tmp_path)
    spool.write(b"a" * MEMORY_BYTES)
    assert spool.path is None
    spool.write(b"b")
    spool.finish()
    with spool.open() as file:
        assert file.read() == b"a" * MEMORY_BYTES + b"b"
    spool.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_closed_directory_is_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a crawl has closed the directory of uploads, those that follow are taken."""
    incoming = tmp_path / "archives" / "incoming"
    incoming.mkdir(parents=True)
    incoming.chmod(0)
    incoming.parent.chmod(0)
    make = tempfile.mkstemp

    def refused_by_modes(suffix: str, prefix: str, directory: Path) -> tuple[int, str]:
        """What the system says to everybody but root."""
        if not directory.parent.stat().st_mode & directory.stat().st_mode & 0o700:
            raise PermissionError(errno.EACCES, "Permission denied", str(directory))
        return make(suffix, prefix, directory)

    monkeypatch.setattr(tempfile, "mkstemp", refused_by_modes)
    spool = Spool(incoming, memory_bytes=0)
    spool.write(b"an archive")
    spool.finish()

    with spool.open() as file:
        assert file.read() == b"an archive"


def test_full_disk(tmp_path: Path) -> None:
    """A full disk is told as such."""
    spool = Spool(Path("/dev"), memory_bytes=0)
    spool._file = Path("/dev/full").open("wb", buffering=0)  # noqa: SIM115  closed by discard
    spool.path = tmp_path / "none"
    with pytest.raises(NoSpace):
        spool.write(b"x")
    spool.discard()
