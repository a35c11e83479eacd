"""Clients that are refused for overload, over real connections to a process that takes nothing into its queue."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvloop
from uvicorn import Config
from uvicorn.server import ServerState

from predictor.engine import Engine
from predictor.http import Connection
from predictor.metrics import Metrics
from predictor.query import Limits
from predictor.served import Served
from predictor.server import routes
from predictor.site import Site, Wire
from tests.bench.forms import http1

PREDICT = "/v1/models/shapes:predict"


@asynccontextmanager
async def full(served: Served) -> AsyncIterator[tuple[Site, int]]:
    """A site that refuses every prediction, and its port."""
    metrics, state = Metrics(served), ServerState()
    engine = Engine(None, Limits(served.card.input, images=1), metrics, max_wait=-1)
    wire = Wire(10**6, 10**4, receive_timeout=10, keep_alive=60, connections=100, max_held=10**6)
    site = Site(engine=engine, metrics=metrics, served=served, routes=routes(served), probes={}, wire=wire, state=state)
    config = Config(app=None, ws="none", lifespan="off")
    config.load()
    config.site = site
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    async with server:
        yield site, server.sockets[0].getsockname()[1]


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    writer.write(http1("POST", PREDICT, b"{}"))
    head = await reader.readuntil(b"\r\n\r\n")
    await reader.readuntil(b"}")
    return head.split()[1]


def test_only_who_asks_again_in_vain_is_not_read_for_a_moment(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("predictor.http.REST", 60)  # how soon is again, on a machine of any speed

    async def test() -> None:
        async with full(served) as (site, port):
            rested = []
            rest = site.rest
            monkeypatch.setattr(site, "rest", lambda connection: (rested.append(connection), rest(connection)))
            client = await asyncio.open_connection("127.0.0.1", port)
            seen = [(await ask(*client), len(rested)) for _ in range(4)]
            assert seen == [(b"503", 0), (b"503", 1), (b"503", 2), (b"503", 3)]
            client[1].close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(test())
