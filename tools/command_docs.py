"""Writes docs/command-line.md from the commands themselves.

Run it after a change of a command: `python -m tools.command_docs`.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from scrapy_do.client.errors import MEANINGS
from scrapy_do.client.invocation import GLOBAL_OPTIONS
from scrapy_do.client.main import SECTIONS, group, walk

DOCS = Path(__file__).parent.parent / "docs" / "command-line.md"

_HEAD = """\
# Command line

One command, `scrapy-do`; `python -m scrapy_do` is the same. Made from the commands themselves:
`scrapy-do COMMAND --help` says the same as this page.

- **Standard output is data, standard error is talk.** With `--json` standard output is one JSON
  document and nothing else; a list is an array. Commands that go on (`logs`, `items`, `--watch`)
  write one document a line. The fields are those of the API, without the `status` of its answers;
  fields are added, never changed.
- **On a terminal** lists are tables, by `$PAGER` if they are long; where there is no room for one,
  each row has a line for each of its facts.
- **In a pipe** output has no colours, nothing is cut, nobody is asked; lists are tab-separated,
  and have a first line of names only with `--header`. Tabs and line breaks in values are `\\t` and
  `\\n`.
- **Colours** are decided by the first of these that is there: `--color` or `--no-color`,
  `NO_COLOR`, `FORCE_COLOR` or `CLICOLOR_FORCE`, `TERM=dumb`, and whether output is a terminal.
  Control characters in what a spider or a daemon has written are spelled out.
- **An error** is on standard error: a message, sometimes what would be right, and a command to try.
  `--quiet` does not hide it.
- **Spans** are `90s`, `15m`, `2h`, `1d12h`; **moments** are spans ago (`2d`), `today`, `yesterday`,
  `2026-11-24` or a time; without an offset they are local.
- **A command that destroys** asks first on a terminal, and needs `--yes` elsewhere.

## A job's name

The whole identifier, or the beginning of it (4 characters or more); `project/spider/number`; its
key; the address of its page; `@last`; `SPIDER@last`.

## Where the daemon is

The first that says something counts:

1. `--url`, `--profile`, `--timeout`;
2. `SCRAPY_DO_URL`, `SCRAPY_DO_TOKEN`, `SCRAPY_DO_USERNAME`, `SCRAPY_DO_PASSWORD`,
   `SCRAPY_DO_PROFILE`, `SCRAPY_DO_PROJECT`, `SCRAPY_DO_TIMEOUT`, `SCRAPY_DO_CA_FILE`;
3. the profile that one of these names, or a target `[deploy:NAME]` of `scrapy.cfg`;
4. `[deploy]` of the project's `scrapy.cfg`: `url`, `username`, `password`, `project`; `$VAR` is
   expanded, as scrapyd-client does it;
5. the current profile (`scrapy-do login`), in `~/.config/scrapy-do/profiles.ini`, which is for you
   alone (mode 0600);
6. `.netrc`, for name and password;
7. `.scrapy-do.cfg` of Scrapy Do 0.5's client;
8. `http://localhost:7654`.

Credentials that stand beside an address are sent to that address only. `scrapy-do config show
--origin` says what counts, and why.

## Options of every command

They may stand before the command, too.

"""


def docs_text() -> str:
    """Return the whole of docs/command-line.md."""
    parts = [_HEAD, *_table(GLOBAL_OPTIONS)]
    commands = walk()
    for section, names in SECTIONS.items():
        parts.append(f"\n# {section}\n")
        for words, command in commands.items():
            if words.split()[0] in names:
                parts += _command(words, command)
    parts.append("\n# Exit codes\n\n| Code | Name | Meaning |\n|---|---|---|\n")
    parts += [f"| {code.value} | {code.name} | {says} |\n" for code, says in MEANINGS.items()]
    return "".join(parts)


def _command(words: str, command: click.Command) -> Iterator[str]:
    path = f"scrapy-do {words}"
    context = click.Context(command, info_name=path, parent=None)
    own = [option for option in command.params if isinstance(option, click.Option)]
    arguments = [piece for piece in command.collect_usage_pieces(context) if piece != "[OPTIONS]"]
    yield f"\n## {path}\n\n`{' '.join([path, *arguments])}`\n\n"
    yield "\n\n".join(" ".join(part.split()) for part in _help(command).split("\n\n")) + "\n"
    if own:
        yield "\n"
        yield from _table(own)


def _help(command: click.Command) -> str:
    return (command.help or "").replace("\b", "").strip()


def _table(options: Iterable[click.Option]) -> Iterator[str]:
    yield "| Option | Meaning |\n|---|---|\n"
    context = click.Context(group)
    for option in options:
        record = option.get_help_record(context)
        assert record is not None
        yield f"| `{record[0]}` | {record[1].replace('|', '&#124;')} |\n"


if __name__ == "__main__":
    DOCS.write_text(docs_text(), encoding="utf-8")
