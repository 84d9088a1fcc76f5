"""What changes, told to whoever listens: the source of live pages."""

from collections.abc import Callable

from scrapy_do.core.events import Listener, Publisher


class ChangeOperations:
    """Lets dialects hear of what happens in the daemon."""

    def __init__(self, events: Publisher) -> None:
        self._events = events

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Add a listener, which only notes and returns; the function returned removes it."""
        return self._events.subscribe(listener)
