"""What differs between two configurations, and what of it can be changed while the daemon runs."""

from collections.abc import Mapping
from dataclasses import fields

from scrapy_do.config.sections import PROJECT_PREFIX, SECTIONS, Config, attribute, option_name

AT_START: Mapping[str, frozenset[str]] = {
    "scrapy-do": frozenset({"project-store", "database", "timezone", "max-archive-size"}),
    "web": frozenset({"interfaces", "hosts", "https", "key", "cert", "chain"}),
    "crawls": frozenset({"on-stop", "spiders-timeout", "cloud-access"}),
    "retention": frozenset({"trash-age"}),
}
"""The options that take effect at a start only, by section; all others can change in flight."""


def changed_options(before: Config, after: Config) -> tuple[list[str], list[str]]:
    """Name the options that differ: those that can change in flight, and those of a start.

    A section of a project counts as one.
    """
    now: list[str] = []
    later: list[str] = []
    for section, kind in SECTIONS.items():
        old, new = getattr(before, attribute(section)), getattr(after, attribute(section))
        for declared in fields(kind):
            name = option_name(declared)
            if getattr(old, declared.name) != getattr(new, declared.name):
                target = later if name in AT_START[section] else now
                target.append(f"[{section}] {name}")
    projects = sorted({*before.projects, *after.projects})
    differing = [name for name in projects if before.projects.get(name) != after.projects.get(name)]
    return [*now, *(f"[{PROJECT_PREFIX}{name}]" for name in differing)], later
