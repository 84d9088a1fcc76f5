"""The daemon itself: health, options with their origins, storage, the trash."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scrapy_do.core.project import Interpreter
from scrapy_do.operations.operations import Operations, Status
from scrapy_do.operations.server import OptionFact, Storage
from scrapy_do.ui.render import PageView

MOST_TRASH = 100
LOG_LINES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """What the page shows; `problems` say by the name of a service what is wrong with it."""

    status: Status
    problems: Mapping[str, str]
    services: Sequence[str]
    sections: Mapping[str, Sequence[OptionFact]]
    storage: Storage
    interpreter: Interpreter
    isolation: tuple[bool, str]
    log: Sequence[str]


async def system(operations: Operations) -> PageView:
    """Gather the page."""
    sections: dict[str, list[OptionFact]] = {}
    for option in operations.server.options():
        sections.setdefault(option.section, []).append(option)
    problems = await operations.status.problems()
    return PageView(
        template="system.html",
        title="System",
        live=("status",),
        view=System(
            status=await operations.status.status(),
            problems=problems,
            services=sorted({"controller", "scheduler", "store", *problems}),
            sections=sections,
            storage=await operations.server.storage(most_trash=MOST_TRASH),
            interpreter=operations.server.interpreter,
            isolation=operations.server.isolation,
            log=operations.server.log[-LOG_LINES:],
        ),
    )
