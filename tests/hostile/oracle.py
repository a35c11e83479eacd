"""What every refusal has to be, whoever is refused: a 4xx in JSON with one line of ours, and nothing of the inside."""

import json
import re
from collections.abc import Mapping

import httpx

from tests.hostile.wire import Reply

# 501 and 503 are meant: a part of the protocol that does not exist here, and "not now".
REFUSED = {*range(400, 500), 501, 503}
LONGEST = 300
LEAKS = re.compile(
    r"Traceback|Exception|\bError\(|\w+Error\b|\.py\b|site-packages|/home/|/usr/|/tmp/"
    r"|predictor\.|kserve|pydantic|orjson|simdjson|numpy|\bPIL\b|libjpeg|asyncio|uvicorn|httptools|<class"
)


def refused(answer: Reply | httpx.Response | None) -> str:
    """The error's line; fails unless the answer is a proper refusal."""
    assert answer is not None, "found a closed connection, wanted an answer"
    status, headers, body = _parts(answer)
    assert status in REFUSED, (status, body[:200])
    assert headers["content-type"].startswith("application/json")
    document = json.loads(body)
    line = document["error"]
    assert isinstance(line, str)
    assert line.isprintable()
    assert 0 < len(line) <= LONGEST
    assert not LEAKS.search(body.decode()), line
    return line


def bounced(answer: httpx.Response) -> int:
    """The status; fails unless the answer is good or a proper refusal."""
    if answer.status_code != 200:
        refused(answer)
    return answer.status_code


def _parts(answer: Reply | httpx.Response) -> tuple[int, Mapping[str, str], bytes]:
    if isinstance(answer, Reply):
        return answer.status, answer.headers, answer.body
    return answer.status_code, answer.headers, answer.content
