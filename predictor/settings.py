"""The command line and environment, read once: KServe's own flags and what this server needs beside them."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from predictor.served import FP32

# Where KServe mounts a model's storage.
MODEL_DIR = Path("/mnt/models")


@dataclass(frozen=True)
class Settings:
    """What one process serves and its limits.

    model_name, digest: insisted on when given. variant: of the version's nets, the one that answers. threads: images
    classified at once; one a core, because each interpreter has one thread and the net is the work. max_body (bytes)
    and max_images bound a request, max_message (bytes) one over gRPC. grpc_port: None serves REST alone.
    """

    model_dir: Path
    trust: Path
    model_name: str | None
    digest: str | None
    variant: str
    host: str
    grpc_port: int | None
    threads: int
    max_message: int
    max_body: int = 10_000_000
    max_images: int = 64


def parse(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Read the command line; exits with 2 and a line that says what is wrong, or with 0 for --help."""
    parser = _parser(environment)
    given = parser.parse_args(arguments)
    if given.workers != 1:
        parser.error("--workers: wanted 1, because metrics of several would be lost; run more replicas instead")
    if given.threads < 1:
        parser.error(f"--threads: wanted at least 1, found {given.threads}")
    if given.trust is None:
        parser.error("--trust (or GEOMETRY_TRUST): missing; wanted the trust list that `geometry keys init` makes")
    return Settings(
        model_dir=given.model_dir,
        trust=given.trust,
        model_name=given.model_name,
        digest=environment.get("MODEL_DIGEST") or None,
        variant=given.variant,
        host=given.host,
        grpc_port=given.grpc_port if given.enable_grpc else None,
        threads=given.threads,
        max_message=given.grpc_max_receive_message_length,
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
    parser.add_argument("--threads", type=int, default=_cores(), help="Images classified at once.")
    parser.set_defaults(model_name=None)
    return parser


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
