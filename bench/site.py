"""The local site: ten pages of ten products, served by a process of its own.

A page has as many addresses as there are queries.

`python -m bench.site` prints its base URL and serves until it is killed.
"""

import asyncio

PAGES = 10
PRODUCTS = 10
_WORDS = "Bound in cloth, printed on good paper, and read by somebody before. " * 3


def page(number: int) -> str:
    """The page of that number."""
    products = "".join(
        f'<li class="product"><h3>Volume {number}.{place}</h3>'
        f"<b>{10 * number + place}.50</b><p>{_WORDS}</p></li>"
        for place in range(PRODUCTS)
    )
    return f"<!doctype html><title>Shelf {number}</title><ul>{products}</ul>"


def _answer(body: str) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n\r\n"
    return (head + body).encode()


async def _serve() -> None:
    answers = {f"/{number}": _answer(page(number)) for number in range(PAGES)}

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                path = head.split(b" ", 2)[1].decode().partition("?")[0]
                writer.write(answers.get(path, _answer("?")))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())
