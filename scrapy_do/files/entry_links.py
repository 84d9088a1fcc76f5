"""Symbolic links of an archive: what they point at inside it takes their place.

No link is ever made on the disk. One that points out of the archive, at nothing or at what
contains it is left out: the files that a project needs are in its archive.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping

MOST_STEPS = 40
"""How many links a path may lead over, as for Linux."""


class Links:
    """The links of an archive by their paths, and all other paths: whether it is a directory."""

    def __init__(self, targets: Mapping[str, str], others: Mapping[str, bool]) -> None:
        self._targets = targets
        self._others = others
        self._children: dict[str, list[str]] = defaultdict(list)
        for path in (*others, *targets):
            self._children[path.rpartition("/")[0]].append(path)

    def real(self, path: str, steps: int = MOST_STEPS) -> str | None:
        """What a path of the archive leads to; None when that is not inside it."""
        real = ""
        for part in path.split("/"):
            if part in {"", "."}:
                continue
            if part == "..":
                if not real:
                    return None
                real = real.rpartition("/")[0]
                continue
            real = f"{real}/{part}" if real else part
            if real in self._targets:
                target = self._targets[real]
                if steps == 0 or target.startswith("/"):
                    return None
                beside = real.rpartition("/")[0]
                found = self.real(f"{beside}/{target}", steps - 1)
                if found is None:
                    return None
                real = found
        return real if not real or real in self._others else None

    def copies(self, link: str) -> Iterator[tuple[str, str]] | None:
        """Pairs of a new path and the path of what is to be there; None to leave the link out.

        A link at a directory stands for all that is below it.
        """
        real = self.real(link)
        if real is None or _is_within(link, real):
            return None
        return self._copies(link, real, (real,))

    def _copies(self, path: str, real: str, above: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        yield path, real
        for child in self._children[real]:
            inner = self.real(child)
            # A directory that contains itself would have no end.
            if inner is not None and not any(_is_within(one, inner) for one in above):
                new = f"{path}/{child.rpartition('/')[2]}"
                yield from self._copies(new, inner, (*above, inner))


def _is_within(path: str, directory: str) -> bool:
    return not directory or path == directory or path.startswith(f"{directory}/")
