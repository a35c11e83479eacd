"""A great number of hostile requests in a row: every one bounces, and memory stays."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from tests.fixtures.net import picture
from tests.hostile import test_framing, test_json, test_sizes
from tests.hostile.oracle import refused
from tests.hostile.test_images import FORMATS, mutant
from tests.hostile.wire import Wire, request
from tests.predictor.conftest import RunningServer
from tests.soak.questions import V1, V2, bad

CLIENTS = 4
LARGEST = 300_000  # bytes; larger ones would only make it slow


def requests(seed: int) -> Iterator[tuple[bytes, bool]]:
    """Without end: what to send, and whether it may be answered well or the connection just closed."""
    chance = random.Random(seed)
    fixed = [(question.content, False) for question in bad()]
    fixed += [(request("POST", route, body), False) for route in (V1, V2) for body in test_json.BODIES.values()]
    fixed += [
        (request("POST", "/predict", body, f"Content-Type: {kind}"), False) for kind, body in test_sizes.FORMS.values()
    ]
    fixed += [(content, True) for content in test_framing.SMUGGLING.values()]
    fixed = [(content, open_) for content, open_ in fixed if len(content) <= LARGEST]
    while True:
        if chance.random() < 0.5:
            yield chance.choice(fixed)
        else:
            file = mutant(picture(chance.randrange(8), chance.choice(FORMATS)), chance.randrange(2**32))
            yield request("POST", V1, file, "Content-Type: image/png"), True


def run(server: RunningServer, number: int, *, seed: int) -> int:
    """Send so many; the number of those that were answered with 200, because a damaged image may be one still."""
    share = -(-number // CLIENTS)
    seeds = range(seed * CLIENTS, (seed + 1) * CLIENTS)
    with ThreadPoolExecutor(CLIENTS) as clients:
        return sum(clients.map(lambda seed: _send(server, islice(requests(seed), share)), seeds))


def _send(server: RunningServer, contents: Iterator[tuple[bytes, bool]]) -> int:
    well, wire = 0, Wire(server.http)
    for content, open_ in contents:
        answer = wire.send(content).reply()
        if answer is None or answer.status != 200:
            assert (answer is None and open_) or refused(answer)
        else:
            assert open_
            well += 1
        if answer is None or answer.headers.get("connection") == "close":
            wire.close()
            wire = Wire(server.http)
    wire.close()
    return well
