"""Which projects may be seen now: those of who asks.

Note [Sight]
    Somebody whose account names projects sees these and no others: not in a list, not by the
    identifier of a job, not by changing what is there. A dialect has two hundred routes, and each
    could forget it; the store has a handful of places where a job, a schedule or a project is
    read. So the router says who asks, once, in a context variable, and the store looks there. It
    is carried into the store's threads, and nowhere else: what runs in the background begins with
    a context of its own, and sees everything.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar

from scrapy_do.core.principal import Principal
from scrapy_do.errors import NotPermitted

_ASKING: ContextVar[Principal | None] = ContextVar("asking", default=None)


@contextmanager
def seen_by(principal: Principal) -> Iterator[None]:
    """See what somebody may see, within the block."""
    before = _ASKING.set(principal)
    try:
        yield
    finally:
        # A request that is given up is ended by whoever did that, in a context of their own.
        with suppress(ValueError):
            _ASKING.reset(before)


def seen_projects() -> frozenset[int] | None:
    """The numbers of the projects that may be seen now; None: all."""
    asking = _ASKING.get()
    return None if asking is None else asking.opened


def is_asking(name: str) -> bool:
    """Whether it is somebody of this name who asks now."""
    asking = _ASKING.get()
    return asking is not None and asking.name == name


def check_seen(project_id: int | None, what: str) -> None:
    """Let something of a project be seen; `project_id` None is that of a project that is not there.

    Raises:
        NotPermitted: it is of a project that who asks does not see.
    """
    asking = _ASKING.get()
    seen = None if asking is None else asking.opened
    if asking is not None and seen is not None and project_id not in seen:
        raise NotPermitted(f"{what} is of no project that {asking.name} may open")
