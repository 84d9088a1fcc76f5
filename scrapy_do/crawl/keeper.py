"""Whoever loses its holder does not escape: above every holder there is a keeper.

A holder ends what its crawl leaves behind, wherever that has fled, since it inherits it. When
the holder itself is killed, its keeper inherits: the warm parent that forked it or, for a
spawned crawl, the process above it. Whoever becomes the child of a keeper without having
been forked by it has lost its holder, and is killed; so are then its children, which come
to the keeper in their turn.
"""

import contextlib
import os
import signal

from scrapy_do.crawl import processes


class Keeper:
    """Forks holders and ends what they leave behind; one in a process, in its main thread."""

    def __init__(self) -> None:
        self._own: set[int] = set()
        self._is_forking = False
        processes.become_subreaper()
        signal.signal(signal.SIGCHLD, self._look)

    def fork(self) -> int:
        """Fork a process that is not to be ended; return 0 in it.

        Raises:
            OSError: the system refuses.
        """
        # A child that we do not know of yet must not be taken for a stranger.
        self._is_forking = True
        try:
            child = os.fork()
            if child == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            else:
                self._own.add(child)
        finally:
            self._is_forking = False
        self._look()
        return child

    def outlast(self) -> None:
        """Fork no more; wait for those that were forked, and for the end of what they leave."""
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        while self._own:
            self._end_strangers()
            try:
                ended, _ = os.waitpid(-1, 0)
            except ChildProcessError:
                break
            self._own.discard(ended)
        processes.end_descendants()

    def _look(self, *_: object) -> None:
        """Reap who has ended; whoever has come to us instead of it ends, too."""
        if self._is_forking:
            return
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG)[0]) != 0:
                self._own.discard(ended)
        self._end_strangers()

    def _end_strangers(self) -> None:
        for child in processes.children():
            if child not in self._own:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
