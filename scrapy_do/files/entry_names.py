"""What the name of an archive's entry means as a path here, whoever has written it.

Windows writes backslashes, some programs begin every name with `./`, and names that are not
UTF-8 are in the code page of the zip format. All that has one safe meaning is taken; what
leads out of the archive, or means another file on another system, is refused.
"""

import unicodedata
from dataclasses import dataclass

from scrapy_do.files.zip_directory import ZipEntry, refuse, shown

_CODE_PAGE = "cp437"  # of names without the flag for UTF-8. Source: APPNOTE.TXT, appendix D


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryName:
    """A relative path of plain parts joined by slashes; "" is the archive's own top.

    `is_recoded` says that the name was not UTF-8. `has_backslash` says that a system on which
    a backslash is no separator wrote one, and that it became a slash all the same.
    """

    path: str
    is_directory: bool
    is_recoded: bool
    has_backslash: bool


def read_name(entry: ZipEntry, *, longest_bytes: int, levels: int) -> EntryName:
    """Read the name of an entry.

    Raises:
        BadArchive: it has no safe meaning; the message names the entry and the rule.
    """
    text, is_recoded = _decoded(entry)
    slashed = text.replace("\\", "/")
    written = slashed.removesuffix("/").split("/")
    parts = [part for part in written if part not in {"", "."}]
    is_directory = slashed.endswith("/")
    path = "/".join(parts)
    rules = {
        f"its name is longer than {longest_bytes} bytes": len(path.encode()) > longest_bytes,
        "a colon in its name": ":" in path,
        "a control character in its name": _has_control(path),
        "its name is absolute or has an empty part": slashed.startswith("/"),
        'a part of its name is "." or ".."': ".." in parts
        or (written[-1] == "." and not is_directory),
        "its name has no part": not path and not is_directory,
        f"more than {levels} levels deep": len(parts) > levels,
    }
    problem = next((problem for problem, broken in rules.items() if broken), None)
    if problem is not None:
        refuse(f"entry {shown(entry.name)}: {problem}")
    return EntryName(
        path=path,
        is_directory=is_directory,
        is_recoded=is_recoded,
        has_backslash="\\" in text and entry.is_of_unix,
    )


def _decoded(entry: ZipEntry) -> tuple[str, bool]:
    """The text of a name, and whether it had to be read in a code page."""
    try:
        return (entry.unicode_name or entry.name).decode(), False
    except UnicodeDecodeError:
        if entry.says_utf8:
            refuse(f"entry {shown(entry.name)}: its name is not UTF-8")
    return entry.name.decode(_CODE_PAGE), True


def _has_control(name: str) -> bool:
    """Whether a name has control characters or Unicode's line and paragraph separators."""
    return not name.isprintable() and any(
        unicodedata.category(letter) in {"Cc", "Zl", "Zp"} for letter in name
    )
