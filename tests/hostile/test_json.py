"""JSON that is too deep, too wide, of the wrong kind or no JSON at all, to every route that reads it."""

from collections.abc import Callable

import httpx
import pytest

from tests.hostile.conftest import V1, V2
from tests.hostile.oracle import bounced, refused

ROUTES = [V1, V2, "/predict", "/predict/batch"]
FIELD = {V1: "instances", V2: "inputs", "/predict": "image", "/predict/batch": "images"}

# No question at all, whatever the route.
BODIES: dict[str, bytes] = {
    "nothing": b"",
    "spaces": b" \r\n\t",
    "a hundred thousand lists": b"[" * 100_000,
    "a hundred thousand closed lists": b"[" * 100_000 + b"]" * 100_000,
    "a hundred thousand objects": b'{"a":' * 100_000,
    "a hundred thousand closed objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a million keys": b"{" + b",".join(b'"%x":0' % key for key in range(1_000_000)) + b"}",
    "a long key": b'{"' + b"a" * 1_000_000 + b'":1}',
    "null": b"null",
    "true": b"true",
    "a number": b"3",
    "a text": b'"instances"',
    "a list": b"[]",
    "an empty object": b"{}",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"instances": []}'.encode("utf-16"),
    "no UTF-8": b'{"instances": ["\xff\xfe"]}',
    "a zero byte": b'{"instances": []}\x00',
    "more behind": b'{"instances": []} {}',
    "a comma too many": b'{"instances": [],}',
    "single quotes": b"{'instances': []}",
    "a comment": b'{"instances": []} // x',
    "cut off": b'{"instances": ["',
    "a control character": b'{"instances": ["\x01"]}',
    "a form": b"instances=1&inputs=2",
    "XML": b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
    "a pickle": b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
}

# Values in the place of the images.
VALUES: dict[str, bytes] = {
    "null": b"null",
    "true": b"true",
    "a number": b"1",
    "a text that is no base64": b'"?"',
    "an empty text": b'""',
    "an empty object": b"{}",
    "an empty list": b"[]",
    "a list of null": b"[null]",
    "a list of numbers": b"[1, 2, 3]",
    "a list of empty texts": b'["", ""]',
    "a list of objects": b'[{"image": {"b64": {"b64": "aGFsbG8="}}}]',
    "a lone surrogate": b'["\\ud800"]',
    "an int of a thousand digits": b"[" + b"9" * 1000 + b"]",
    "a float beyond all": b"[1e999]",
    "NaN": b"[NaN]",
    "Infinity": b"[-Infinity]",
    "ragged lists": b"[[[1, 2], [3]]]",
    "forty levels": b"[" * 40 + b"1" + b"]" * 40,
    "lists in lists of nothing": b"[[], [[]], [[[]]]]",
    "sixty-five nulls": b"[" + b",".join([b"null"] * 65) + b"]",
    "a hundred thousand nulls": b"[" + b",".join([b"null"] * 100_000) + b"]",
    "a path": b'["file:///etc/passwd"]',
    "an address": b'["http://127.0.0.1/x.png"]',
    "a text of a megabyte": b'["' + b"A" * 1_000_000 + b'"]',
}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("body", BODIES)
def test_what_is_no_question_is_refused(http: httpx.Client, route: str, body: str) -> None:
    refused(http.post(route, content=BODIES[body], headers={"content-type": "application/json"}))


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("value", VALUES)
def test_what_is_no_image_is_refused(http: httpx.Client, route: str, value: str) -> None:
    body = b'{"%s": %s}' % (FIELD[route].encode(), VALUES[value])
    refused(http.post(route, content=body, headers={"content-type": "application/json"}))


BESIDE: dict[str, Callable[[bytes], bytes]] = {
    "the same key twice": lambda item: b'{"instances": [7], "instances": [%s]}' % item,
    "the same key twice, bad last": lambda item: b'{"instances": [%s], "instances": [7]}' % item,
    "a deep neighbour": lambda item: b'{"x": %s1%s, "instances": [%s]}' % (b"[" * 500, b"]" * 500, item),
    "a wide neighbour": lambda item: (
        b'{"x": {%s}, "instances": [%s]}' % (b",".join(b'"%d":0' % key for key in range(100_000)), item)
    ),
    "a neighbour with a lone surrogate": lambda item: b'{"x": "\\udfff", "instances": [%s]}' % item,
    "a neighbour with a huge number": lambda item: b'{"x": %s, "instances": [%s]}' % (b"9" * 5000, item),
    "an escaped key": lambda item: b'{"\\u0069nstances": [%s]}' % item,
}


@pytest.mark.parametrize("form", BESIDE)
def test_what_stands_beside_an_image_harms_nobody(http: httpx.Client, text: str, form: str) -> None:
    bounced(http.post(V1, content=BESIDE[form](f'"{text}"'.encode())))
