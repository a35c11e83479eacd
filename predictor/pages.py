"""What the server shows that never changes: the API's description, and pages to read and try it, all from this host."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Self

import orjson

from predictor.openapi import description
from predictor.served import Served

_ASSETS = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
_DOCS = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
# In a file of its own, so that a content security policy may forbid scripts inside pages.
_START = 'SwaggerUIBundle({url: "/openapi.json", dom_id: "#swagger-ui", validatorUrl: null});\n'


@dataclass(frozen=True)
class Page:
    """An answer to a question that is no prediction."""

    content: bytes
    content_type: str
    status: int = 200

    @classmethod
    def json(cls, document: object, *, status: int = 200) -> Self:
        """A document, as JSON."""
        return cls(orjson.dumps(document), "application/json", status)


class Pages:
    """The constant ones by their paths. Assets are read when they are first asked for."""

    def __init__(self, served: Served) -> None:
        self._made: Mapping[str, Page] = {
            "/openapi.json": Page.json(description(served)),
            "/docs": Page(_DOCS.format(title=f"{served.model} {served.version}").encode(), "text/html; charset=utf-8"),
            "/docs/start.js": Page(_START.encode(), "text/javascript"),
        }

    def get(self, path: str) -> Page | None:
        """The page, if there is one."""
        folder, _, name = path.rpartition("/")
        if folder == "/docs" and name in _ASSETS:
            return _asset(name)
        return self._made.get(path)


@cache
def _asset(name: str) -> Page:
    from swagger_ui_bundle import swagger_ui_path

    return Page((swagger_ui_path / name).read_bytes(), _ASSETS[name])
