"""The frames between daemon and crawl."""

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapy_do.protocol.facts import Progress
from scrapy_do.protocol.frames import BadFrame
from scrapy_do.protocol.wire import (
    MAX_REPORT_BYTES,
    MAX_RESULT_BYTES,
    CrawlLimits,
    CrawlOrder,
    CrawlSpec,
    Placement,
    Report,
    ReportKind,
    Result,
    SpidersAnswer,
    SpidersRequest,
    StartMethod,
    decode_report,
    decode_result,
    decode_spec,
    decode_spiders_answer,
    decode_spiders_request,
    encode,
    encode_report,
    encode_result,
)

JOB = UUID(int=7)
ORDER = CrawlOrder(
    job_id=JOB,
    attempt=2,
    project="shop",
    version="r3",
    settings_module="shop.settings",
    spider="prices",
    arguments={"a": "1", "text": "\n\0ž\udcff"},
    settings={"DEPTH_LIMIT": 3, "FEEDS": {"x": [1.5, None]}},
    environment={"PATH": "/usr/bin", "TMPDIR": "/tmp/theirs"},
    limits=CrawlLimits(open_files=64),
)
PLACEMENT = Placement(
    run_dir=Path("/data/runs/7.2"),
    project_dir=Path("/data/unpacked/abc"),
    result=Path("/data/crawls/7.2/result"),
    out=Path("/data/jobs/7/out"),
    err=Path("/data/jobs/7/err"),
    items=Path("/data/jobs/7/items"),
    requests=None,
    log=Path("/data/jobs/7/log"),
    samples=None,
    environment={"HOME": "/data/crawls/7.2/home", "TMPDIR": "/data/crawls/7.2/tmp"},
    start_method=StartMethod.SPAWN,
    python="/usr/bin/python3",
    reports_socket=Path("/data/reports.sock"),
)
SPEC = CrawlSpec(order=ORDER, placement=PLACEMENT)
REPORT = Report(
    job_id=JOB,
    attempt=2,
    kind=ReportKind.PROGRESS,
    time_ms=5,
    progress=Progress(
        items=1, requests=2, responses=3, log_lines=4, errors=5, stats={"finish": 1.5}
    ),
    close_reason=None,
)
RESULT = Result(opened=True, close_reason="finished", time_ms=9, progress=Progress(items=1))
REQUEST = SpidersRequest(
    project_dir=Path("/p"),
    work_dir=Path("/w"),
    settings_module="s",
    environment={},
    start_method=StartMethod.FORK,
    python="/py",
    timeout_s=3.0,
    mark="listing.1",
)
ANSWER = SpidersAnswer(names=("a", "\n"), warnings=("w",), problem=None, output="ž")


def test_a_spec_comes_back_as_it_was() -> None:
    """Encoding and decoding a specification changes nothing."""
    assert decode_spec(encode(SPEC)) == SPEC


def test_the_small_frames_come_back_as_they_were() -> None:
    """Reports, results and the listing's two frames survive the way."""
    assert decode_report(encode(REPORT)) == REPORT
    assert decode_result(encode(RESULT)) == RESULT
    assert decode_spiders_request(encode(REQUEST)) == REQUEST
    assert decode_spiders_answer(encode(ANSWER)) == ANSWER


@given(st.dictionaries(st.text(), st.text()))
def test_any_argument_text_survives(arguments: dict[str, str]) -> None:
    """Arguments arrive verbatim, whatever their text."""
    given = {f"x {name}": text for name, text in arguments.items()}
    spec = replace(SPEC, order=replace(ORDER, arguments=given))

    assert decode_spec(encode(spec)).order.arguments == given


def test_the_mark_names_the_run() -> None:
    """The mark is the job's id and the attempt."""
    assert ORDER.mark == "00000000-0000-0000-0000-000000000007.2"


@pytest.mark.parametrize(
    "changes",
    [
        {"spider": ""},
        {"spider": "a\0"},
        {"spider": "a\udcff"},
        {"spider": "x" * 1001},
        {"arguments": {"self": "1"}},
        {"arguments": {"cls": "1"}},
        {"arguments": {"crawler": "1"}},
        {"arguments": {"name": "1"}},
        {"arguments": {"crawler_or_spidercls": "1"}},
        {"arguments": {"": "1"}},
        {"environment": {"": "1"}},
        {"environment": {"A=B": "1"}},
        {"environment": {"A": "a\0b"}},
        {"report_interval_s": 0.0},
    ],
)
def test_what_cannot_be_run_is_no_spec(changes: dict[str, Any]) -> None:
    """Names that Scrapy or the system cannot take are refused when the value is made."""
    with pytest.raises(BadFrame):
        replace(ORDER, **changes)


def test_a_placement_has_an_environment_too() -> None:
    """Its variables are refused alike; what the order gives wins over what the place has."""
    with pytest.raises(BadFrame):
        replace(PLACEMENT, environment={"A=B": "1"})
    assert SPEC.environment == {
        "HOME": "/data/crawls/7.2/home",
        "TMPDIR": "/tmp/theirs",
        "PATH": "/usr/bin",
    }


def test_an_order_is_of_no_machine() -> None:
    """It has neither a path nor an interpreter, so that any machine can carry it out."""
    kinds = {one.name: str(one.type) for one in fields(CrawlOrder)}
    assert not [name for name, kind in kinds.items() if "Path" in kind or name == "python"]


@pytest.mark.parametrize(
    "frame", [b"", b"nonsense", b"\xff", b"[]", b"null", b"[" * 100_000, b"{}"]
)
def test_nonsense_is_no_frame(frame: bytes) -> None:
    """What is not a JSON object of the right fields is refused, and nothing else is raised."""
    for decode in (
        decode_spec,
        decode_report,
        decode_result,
        decode_spiders_request,
        decode_spiders_answer,
    ):
        with pytest.raises(BadFrame):
            decode(frame)


@pytest.mark.parametrize("value", [None, True, 1.5, "text", [], {}, [1], {"a": 1}])
def test_each_field_has_its_type(value: object) -> None:
    """A field of another type is refused, or read as the same JSON."""
    for known, decode in ((REPORT, decode_report), (RESULT, decode_result)):
        plain = json.loads(encode(known))
        for name in plain:
            frame = json.dumps({**plain, name: value}).encode()
            try:
                again = decode(frame)
            except BadFrame:
                continue
            assert json.loads(encode(again))[name] == value


@pytest.mark.parametrize("value", [None, True, 1.5, "text", [], {}, [1], {"a": 1}])
@pytest.mark.parametrize("part", ["order", "placement"])
def test_each_field_of_a_spec_has_its_type(part: str, value: object) -> None:
    """The same of what to run, and where."""
    plain = json.loads(encode(SPEC))
    for name in plain[part].keys() - {"limits"}:  # its own fields may all be missing
        frame = json.dumps({**plain, part: {**plain[part], name: value}}).encode()
        try:
            again = decode_spec(frame)
        except BadFrame:
            continue
        assert json.loads(encode(again))[part][name] == value
    with pytest.raises(BadFrame):
        decode_spec(json.dumps({**plain, part: value}).encode())


Said = TypeVar("Said", Report, Result)


def with_stats(said: Said, stats: dict[str, Any]) -> Said:
    return replace(said, progress=replace(said.progress, stats=stats))


def test_an_unknown_kind_is_no_report() -> None:
    """A report of a kind that is not ours is refused."""
    frame = encode(REPORT).replace(b"progress", b"surprise")
    with pytest.raises(BadFrame, match="kind"):
        decode_report(frame)


def test_a_report_that_is_too_large_goes_without_stats() -> None:
    """A datagram has a limit; the counts are more important than the stats."""
    report = with_stats(REPORT, {"long": "x" * MAX_REPORT_BYTES})
    frame = encode_report(report)

    assert len(frame) < MAX_REPORT_BYTES
    assert decode_report(frame) == with_stats(report, {})
    assert decode_report(encode_report(REPORT)) == REPORT


def test_a_result_that_is_too_large_goes_without_stats() -> None:
    """What a crawl says at its end counts, however much its project has counted."""
    result = with_stats(RESULT, {"long": "x" * MAX_RESULT_BYTES, "more": 1})

    known = decode_result(encode_result(result))
    assert with_stats(RESULT, {"scrapy_do/dropped/stats": 2}) == known


@pytest.mark.parametrize(
    "words", ['"half \\ud800"', '"null \\u0000"', "1e999", "99999999999999999999"]
)
def test_what_no_database_holds_is_no_result(words: str) -> None:
    """A project can write a result of its own: what could not be stored is refused here."""
    for frame in (
        encode(RESULT).replace(b'"finished"', words.encode()),
        encode(RESULT).replace(b'"items":1', b'"items":' + words.encode()),
    ):
        with pytest.raises(BadFrame):
            decode_result(frame)


FORGED = (
    *(("time_ms", value) for value in ("-1", str(2**62), str(10**15))),
    *(("items", value) for value in ("-1", str(2**62))),
    *(("stats", f'{{"a":{value}}}') for value in ("1e999", '"\\ud800"', '{"\\u0000":1}')),
    *(("stats", f'{{"a":{"[" * depth}{"]" * depth}}}') for depth in (32, 900)),
)


@pytest.mark.parametrize(("name", "value"), FORGED)
def test_what_a_crawl_forges_is_refused(name: str, value: str) -> None:
    """Times that are none, counts whose sum is none, values that many a reader gives up on."""
    for known, decode in ((REPORT, decode_report), (RESULT, decode_result)):
        plain = json.loads(encode(known))
        holder = plain["counts"] if name in plain["counts"] else plain
        holder[name] = "HERE"
        frame = json.dumps(plain).replace('"HERE"', value).encode()
        with pytest.raises(BadFrame, match=name):
            decode(frame)


def test_stats_may_be_nested() -> None:
    """What Scrapy and its plugins count is taken, also where it is nested."""
    stats: dict[str, Any] = {"a": {"b": [1, 2.5, None, True, "c"]}, "big": 10**1000}
    nested: Any = 1
    for _ in range(31):
        nested = [nested]
    result = with_stats(RESULT, {**stats, "deep": nested})
    assert decode_result(encode(result)) == result
