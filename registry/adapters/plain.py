"""HTTP to plain addresses of the substrate: no proxies of the environment, and no certificates to load every time."""

import ssl
from collections.abc import Mapping

import httpx


def plain_client(*, timeout: float, headers: Mapping[str, str] | None = None) -> httpx.Client:
    """A client for revisions and Envoy. timeout: seconds for each part of a request."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx.Client(timeout=timeout, trust_env=False, verify=context, headers=headers)
