"""The command line and environment, read once: KServe's own flags and what this server needs beside them."""

import argparse
import math
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from predictor.served import FP32

# Where KServe mounts a model's storage.
MODEL_DIR = Path("/mnt/models")
_CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")


@dataclass(frozen=True)
class Settings:
    """What one server serves and its limits.

    model_name, digest: insisted on when given. variant: which of the version's nets. grpc_port: None serves REST alone.
    workers: processes, one a core. max_message, max_body, max_headers: bytes of one request. max_held: bytes of all
    bodies in a process. max_images, max_pixels: of one request. max_wait: predicted seconds in the queue beyond which a
    request is refused; None takes five times the version's latency objective. receive_timeout: seconds for a request's
    headers, and again for its body. keep_alive: seconds between two requests of a connection. max_connections: of a
    process. drain: seconds from the signal to stop until no new connection is taken.
    """

    model_dir: Path
    trust: Path
    model_name: str | None
    digest: str | None
    variant: str
    host: str
    http_port: int
    grpc_port: int | None
    workers: int
    max_message: int
    max_body: int
    max_held: int
    max_headers: int
    max_images: int
    max_pixels: int
    max_wait: float | None
    receive_timeout: float
    keep_alive: float
    max_connections: int
    drain: float


def parse(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Read the command line; exits with 2 and a line that says what is wrong, or with 0 for --help."""
    parser = _parser(environment)
    given = parser.parse_args(arguments)
    if given.workers > 1 and sys.platform != "linux":
        parser.error(
            f"--workers: wanted 1 on {sys.platform}, found {given.workers}: processes share a port on Linux alone"
        )
    if given.workers < 1:
        parser.error(f"--workers: wanted at least 1, found {given.workers}")
    if given.trust is None:
        parser.error("--trust (or GEOMETRY_TRUST): missing; wanted the trust list that `geometry keys init` makes")
    return Settings(
        model_dir=given.model_dir,
        trust=given.trust,
        model_name=given.model_name,
        digest=environment.get("MODEL_DIGEST") or None,
        variant=given.variant,
        host=given.host,
        http_port=given.http_port,
        grpc_port=given.grpc_port if given.enable_grpc else None,
        workers=given.workers,
        max_message=given.grpc_max_receive_message_length,
        max_body=given.max_body,
        max_held=given.max_held,
        max_headers=given.max_headers,
        max_images=given.max_images,
        max_pixels=given.max_pixels,
        max_wait=given.max_wait,
        receive_timeout=given.receive_timeout,
        keep_alive=given.timeout_keep_alive,
        max_connections=given.max_connections,
        drain=given.drain,
    )


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    from kserve.model_server import parser as kserve  # reads the command line itself when it is imported

    parser = argparse.ArgumentParser(
        prog="python -m predictor",
        description="Serve one verified version through the KServe protocols.",
        parents=[kserve],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    trust = environment.get("GEOMETRY_TRUST")
    parser.add_argument("--model_dir", type=Path, default=MODEL_DIR, help="Directory of one version.")
    parser.add_argument("--trust", type=Path, default=Path(trust) if trust else None, help="Trust list.")
    variant = environment.get("GEOMETRY_VARIANT") or FP32
    parser.add_argument("--variant", metavar="fp32|int8", default=variant, help="Which of the version's nets.")
    parser.add_argument("--host", default="0.0.0.0", help="Address of both ports.")  # noqa: S104 (a pod's address is not known before)
    limits = parser.add_argument_group("limits")
    for flag, default, help_ in (
        ("--max_body", 10_000_000, "Bytes of a request's body."),
        ("--max_held", 200_000_000, "Bytes of all bodies that a process holds at once."),
        ("--max_headers", 32_768, "Bytes of a request's headers."),
        ("--max_images", 64, "Images of a request."),
        ("--max_pixels", 16_000_000, "Pixels that all image files of a request declare."),
        (
            "--max_connections",
            10_000,
            "Connections of a process; one more closes the one whose client lets wait longest.",
        ),
    ):
        limits.add_argument(flag, type=_at_least(1), default=default, help=help_)
    limits.add_argument(
        "--max_wait", type=_seconds, help="Predicted seconds in the queue beyond which a request is refused (503)."
    )
    limits.add_argument("--receive_timeout", type=_seconds, default=10.0, help="Seconds for headers, and for the body.")
    limits.add_argument("--drain", type=_seconds, default=1.0, help="Seconds of serving on after SIGTERM, not ready.")
    parser.set_defaults(model_name=None, workers=_cores())
    return parser


def _at_least(least: int) -> "type[int]":
    def parsed(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"wanted at least {least}, found {value}")
        return value

    parsed.__name__ = "int"  # what argparse calls a value that is no number
    return parsed  # type: ignore[return-value]  # argparse takes any function of a string


def _seconds(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and value >= 0):
        raise argparse.ArgumentTypeError(f"wanted seconds from 0 on, found {text}")
    return value


def _cores() -> int:
    """Cores this process may use: those it is bound to, and no more than a container's quota pays for."""
    if sys.platform != "linux":
        return 1
    bound = len(os.sched_getaffinity(0))
    try:
        quota, period = _CGROUP_QUOTA.read_text().split()
        return min(bound, max(1, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):  # no cgroup of version 2, or "max": no quota
        return bound
