"""Large answers of any dialect, kept in a file while the client takes them.

So a client that reads slowly, or not at all, costs a position in that file and one piece.
"""

import os
from pathlib import Path

from scrapy_do.system.runtime import InThread
from scrapy_do.web.answer import Response, Stream
from scrapy_do.web.tail import OpenFile, file_pieces


async def shelved(answer: Response, directory: Path, in_thread: InThread) -> Response | Stream:
    """The same answer, its body in a file without a name; as it was if the disk is full."""
    body = answer.body

    def put() -> int:
        descriptor = os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            view = memoryview(body)
            while view:
                view = view[os.write(descriptor, view) :]
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    try:
        descriptor = await in_thread(put)
    except OSError:
        return answer
    file = OpenFile(descriptor, len(body), in_thread)
    return Stream(
        status=answer.status,
        chunks=file_pieces(file, 0, len(body)),
        length_bytes=len(body),
        content_type=answer.content_type,
        headers=answer.headers,
        release=file.close,
    )
