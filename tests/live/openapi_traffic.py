"""What schemathesis has to know of a daemon beside its OpenAPI document; it loads this module.

The names of what there is, one list for each format of the document, are in the environment
variable `OPENAPI_NAMES` as JSON.
"""

import json
import os
import string
from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis import Case, Response
from schemathesis.checks import CheckContext

WRONG = {"bad-argument", "bad-payload", "bad-when", "malformed", "too-large"}
"""The errors that a request can be told by alone; all others are about what there is."""

RULES = (
    "Missing argument: status or id",
    "is only for standing orders, not for 'now'",
    "a standing order cannot become 'now'",
    "is the current version; activate another first",
    "must lie between 1970 and 2200",
    "to: lies before 'from'",
    "until: must lie ahead, before the year 2200",
    "of a standing order cannot be changed",
    "a part without a name",
)
"""What holds between arguments, or with what there is: no schema of one argument can say it."""

NAMES: dict[str, list[str]] = json.loads(os.environ.get("OPENAPI_NAMES", "{}"))
UNKNOWN = st.text(string.ascii_letters + string.digits + "-", min_size=1, max_size=40)

for _format, _names in NAMES.items():
    schemathesis.openapi.format(
        _format, st.one_of(*([st.sampled_from(_names)] if _names else []), UNKNOWN)
    )
schemathesis.openapi.format(
    "when",
    st.sampled_from(
        ["now", "every 3 hours", "every 2 to 5 days", "every monday at 09:30", "cron 0 3 * * *"]
    ),
)
schemathesis.openapi.format("timezone", st.sampled_from(["UTC", "Europe/Warsaw", "Asia/Kolkata"]))
schemathesis.openapi.format("setting", st.sampled_from(["LOG_LEVEL=INFO", "DOWNLOAD_DELAY=0.5"]))
schemathesis.openapi.format("json", st.builds(json.dumps, st.dictionaries(UNKNOWN, st.integers())))
schemathesis.openapi.format("path", st.lists(UNKNOWN, min_size=1, max_size=3).map("/".join))


@schemathesis.check
def good_requests_are_understood(_ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    """Refuse the refusal of a request that the document allows.

    This API answers 400 where others answer 404 or 409, as Scrapy Do 0.5 did: the name of the
    error tells them apart.
    """
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if response.status_code >= 400:
        told: dict[str, Any] = response.json()
        if not any(rule in told["msg"] for rule in RULES):
            assert told["error"] not in WRONG, told["msg"]
