"""Writes docs/routes.md, docs/outcomes.md and docs/scrapy-do-cl.md from the code's own tables.

Run it after a change of a route, of how jobs end, or of the old client:
`python -m tools.reference_docs`.
"""

import argparse
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from scrapy_do.client.scrapy_do_cl import parser
from scrapy_do.core.job import Outcome
from scrapy_do.ui.outcomes import ENDED

TOP = Path(__file__).parent.parent
DOCS = TOP / "docs"
APIS = {
    "Scrapy Do": ("scrapy_do/routes.py", "scrapy_do/schedules.py"),
    "Scrapy Cloud: dash": (
        *("scrapy_cloud/jobs.py", "scrapy_cloud/legacy_data.py", "scrapy_cloud/deploy.py"),
        "scrapy_cloud/spiders.py",
    ),
    "Scrapy Cloud: storage": (
        *("scrapy_cloud/jobq.py", "scrapy_cloud/metadata.py", "scrapy_cloud/data.py"),
        *("scrapy_cloud/collections.py", "scrapy_cloud/frontier.py", "scrapy_cloud/projects.py"),
    ),
}
"""The modules with a table of routes in their docstring, by dialect."""

_TABLE = re.compile(r"^\| method \|.*?(?=\n(?!\|))", re.DOTALL | re.MULTILINE)

_ROUTES_HEAD = """\
# Every route

What the daemon answers, by dialect, as the code has it. A running daemon serves the same with
commands to copy at `/ui/api`. How to call what is beyond the documented calls of Scrapy Do is in
[the API](api.md), [schedules](schedules.md), [reading](reading.md) and [events](live.md), for the
others in [coming from Scrapy Cloud](scrapy-cloud.md).

`<name>` is one segment of the path, `<int:name>` a whole number, `<path:name>` all the rest. HEAD
comes with GET. The role is the least that is needed: READ looks, RUN starts and stops jobs,
PUSH brings code, ADMIN does the rest. `GET /healthz` wants no credentials.
"""

_OUTCOMES_HEAD = """\
# How jobs end

What the state of a job that is over means, by its reason: `outcome-reason` in the API, the sentence
on the job's page. The first line that fits counts; `...` stands for anything.
"""

_OUTCOMES: Mapping[Outcome, str] = {
    Outcome.SUCCESSFUL: "The process ended in order, and the spider or its settings chose why.",
    Outcome.FAILED: "Anything else that nobody asked for. With `retries` it runs again first.",
    Outcome.CANCELED: "Somebody asked for it. What it had found until then is kept.",
    Outcome.LOST: "Nobody saw the end; the Scrapy Do API lists these as `FAILED`.",
}

_OLD_HEAD = """\
# The client of Scrapy Do 0.5

`scrapy-do-cl` is there for old scripts: the same commands and options as in 0.5, the same tables
and messages, on standard output, exit code 0 or 1. Its options are read from `[scrapy-do]` of
`~/.scrapy-do.cfg`, too. Everything new is in [scrapy-do](command-line.md).
"""


def routes_text() -> str:
    """Return the whole of docs/routes.md."""
    parts = [_ROUTES_HEAD]
    for dialect, modules in APIS.items():
        parts.append(f"\n## {dialect}\n")
        for name in modules:
            text = (TOP / "scrapy_do" / "api" / name).read_text(encoding="utf-8")
            title = text.partition("\n")[0].removeprefix('"""')
            parts.append(f"\n### {title.rstrip('.').replace('`', '')}\n\n")
            parts += _routes(text)
    return "".join(parts)


def _routes(text: str) -> Iterator[str]:
    """Yield the rows of the tables of a module's docstring."""
    yield "| Method | Path | Role | What |\n|---|---|---|---|\n"
    for table in _TABLE.findall(text.partition('"""')[2].partition('"""')[0]):
        for row in table.splitlines()[2:]:
            method, path, role, what = (cell.strip() for cell in row.strip("|").split("|", 3))
            yield f"| {method} | `{path}` | {role} | {what.rstrip(' |')} |\n"


def outcomes_text() -> str:
    """Return the whole of docs/outcomes.md."""
    parts = [_OUTCOMES_HEAD]
    for outcome in Outcome:
        parts.append(f"\n## {outcome}\n\n{_OUTCOMES[outcome]}\n")
        told = [
            f"| `{_plain(pattern)}` | {_filled(says)} | {_filled(advice)} |\n"
            for pattern, says, advice in ENDED[outcome]
            if says
        ]
        if told:
            parts += ["\n| Reason | What it says | What to do |\n|---|---|---|\n", *told]
    return "".join(parts)


def _plain(pattern: str) -> str:
    """A pattern for people: what may be anything as dots."""
    return re.sub(r"(\.\.\.)+", "...", re.sub(r"\(.*?\)|\.\*", "...", pattern))


def _filled(sentence: str) -> str:
    return sentence.replace("{0}", "...")


def old_client_text() -> str:
    """Return the whole of docs/scrapy-do-cl.md."""
    top = parser()
    parts = [_OLD_HEAD, "\n## Options\n\n", *_options(top)]
    for action in top._actions:  # noqa: SLF001 - argparse has no other way to ask
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - the same
            helps = {one.dest: one.help for one in action._choices_actions}  # noqa: SLF001 - the same
            for name, command in action.choices.items():
                parts.append(f"\n## scrapy-do-cl {name}\n\n{_sentence(helps[name])}\n")
                options = [*_options(command)]
                parts += ["\n", *options] if len(options) > 1 else []
    return "".join(parts)


def _options(of: argparse.ArgumentParser) -> Iterator[str]:
    yield "| Option | Meaning |\n|---|---|\n"
    for action in of._actions:  # noqa: SLF001 - argparse has no other way to ask
        if not action.option_strings or action.dest == "help":
            continue
        values = "" if action.choices is None else f": {', '.join(action.choices)}"
        names = ", ".join(action.option_strings)
        yield f"| `{names} {action.dest.upper()}` | {_sentence(action.help, values)} |\n"


def _sentence(text: str | None, more: str = "") -> str:
    said = (text or "").strip().rstrip(".") + more
    return f"{said[:1].upper()}{said[1:]}."


PAGES = {
    "routes.md": routes_text,
    "outcomes.md": outcomes_text,
    "scrapy-do-cl.md": old_client_text,
}

if __name__ == "__main__":
    for page, text in PAGES.items():
        (DOCS / page).write_text(text(), encoding="utf-8")
