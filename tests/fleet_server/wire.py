"""A way to the database that a test can cut, and speak on."""

import asyncio
from urllib.parse import urlsplit


class Wire:
    """A way to the database's socket that can be cut and laid again, at one TCP port."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._near: set[asyncio.StreamWriter] = set()
        self._ends: set[asyncio.StreamWriter] = set()
        self.port = 0

    def url(self, url: str) -> str:
        """`url`, which goes by the socket, by way of here."""
        way = urlsplit(url)
        return way._replace(netloc=f"{way.username}:{way.password}@127.0.0.1:{self.port}", query="").geturl()

    async def lay(self) -> None:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        assert self._server is not None
        self._server.close()
        for end in self._ends:
            end.transport.abort()
        await self._server.wait_closed()

    def tell(self, data: bytes) -> None:
        """Puts bytes into the database's mouth, on every connection."""
        for end in self._near:
            end.write(data)

    async def _connect(self, near: asyncio.StreamReader, far: asyncio.StreamWriter) -> None:
        reader, writer = await asyncio.open_unix_connection(self._target)
        self._near.add(far)
        self._ends |= {far, writer}
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pump(near, writer))
            group.create_task(self._pump(reader, far))

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        except ConnectionError:
            pass
        finally:
            sink.close()
