"""Pages as people follow them: their blocks typed into one shell, what is printed compared.

A `console` block has commands behind `$ ` (lines that go on behind `> `) and what they print; `...`
stands for anything, also in a row of lines. A line that is a file's name in back-ticks and a
colon, with a block below it, is a file to write.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).parent.parent.parent
DOCUMENTED_URL = "http://localhost:7654"
_SEPARATOR = "\036"
_LIMIT_S = 150
_BLOCK = re.compile(r"(?:`([\w./]+)`:\n\n)?```(\w+)\n(.*?)```", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A command as one types it, and what it prints."""

    command: str
    output: str


def pages() -> list[str]:
    """The pages that have console blocks, by their path."""
    found = sorted([*TOP.glob("*.md"), *TOP.glob("docs/**/*.md")])
    return [str(one.relative_to(TOP)) for one in found if "```console\n" in one.read_text()]


def steps(page: str) -> Iterator[Step]:
    """Yield the commands of all console blocks of a page, and the files between them."""
    for name, language, block in _BLOCK.findall((TOP / page).read_text()):
        if language != "console":
            if name:
                yield Step(command=f"cat > {name} <<'END OF FILE'\n{block}END OF FILE", output="")
            continue
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *rest = step.splitlines(keepends=True)
            while rest and rest[0].startswith(">"):
                command += rest.pop(0).removeprefix("> ").removeprefix(">")
            yield Step(command=command.rstrip("\n"), output="".join(rest))


def wrong(page: str, url: str, directory: Path, environ: Mapping[str, str]) -> list[str]:
    """Follow a page in a directory, with the daemon at `url`; return what came otherwise.

    A block that is not wrong ends well, all its commands with status 0.
    """
    for tool in ("curl", "jq"):
        assert shutil.which(tool), f"{tool} is needed to run the documented commands: install it"
    followed = [*steps(page)]
    script = "set -o pipefail; trap 'echo exit status $?' ERR\n" + "".join(
        f"{step.command.replace(DOCUMENTED_URL, url)}\nprintf '{_SEPARATOR}'\n" for step in followed
    )
    known = {name: text for name, text in os.environ.items() if "SCRAPY_DO" not in name}
    known |= {"SCRAPY_DO_URL": url, "HOME": str(directory.parent)}
    known["PATH"] = f"{Path(sys.executable).parent}:{known['PATH']}"
    ended = subprocess.run(
        ["bash", "-c", script],
        cwd=directory,
        env={**known, **environ},
        capture_output=True,
        text=True,
        check=True,
        timeout=_LIMIT_S,
    )
    *printed, rest = ended.stdout.split(_SEPARATOR)
    assert rest == ""
    return [
        f"{step.command}\nprinted:\n{text}instead of:\n{step.output}"
        for step, text in zip(followed, printed, strict=True)
        if not _matches(step.output.replace(DOCUMENTED_URL, url), text)
    ]


def _matches(expected: str, printed: str) -> bool:
    words = ".*".join(re.escape(part) for part in expected.rstrip("\n").split("..."))
    return re.fullmatch(words, printed.rstrip("\n"), re.DOTALL) is not None
