"""Cluster programs come from PATH, or from the folder that GEOMETRY_CLUSTER_BIN names; `api` is a real API server."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.manifests.api import Api
from tests.manifests.rendered import documents

BIN = "GEOMETRY_CLUSTER_BIN"


def program(name: str) -> str:
    """Its path; the test is skipped, saying what to do, where it is not there."""
    found = shutil.which(name, path=os.pathsep.join((os.environ.get(BIN, ""), os.environ["PATH"])))
    if found is None:
        pytest.skip(f"{name} is neither in PATH nor in the folder ${BIN} names: install it, or set {BIN}")
    return found


@pytest.fixture(scope="session")
def kubectl() -> str:
    return program("kubectl")


@pytest.fixture(scope="session")
def overlays(kubectl):
    """Every overlay as the objects it renders to."""
    return {name: documents(kubectl, f"kustomize/overlays/{name}") for name in ("dev", "staging", "prod")}


@pytest.fixture(scope="session")
def api(tmp_path_factory) -> Iterator[Api]:
    """An empty API server with RBAC and three people: root (may everything), ann and bob (may nothing yet)."""
    folder = tmp_path_factory.mktemp("api")
    etcd, server = program("etcd"), program("kube-apiserver")
    ports = [free_port() for _ in range(3)]
    processes = []
    try:
        processes.append(start(folder, *etcd_command(etcd, folder, *ports[:2])))
        processes.append(start(folder, *server_command(server, folder, etcd_port=ports[0], port=ports[2])))
        made = Api(f"https://127.0.0.1:{ports[2]}", {name: f"token-of-{name}" for name in PEOPLE}, program("kubectl"))
        wait_for(made, processes, folder)
        yield made
    finally:
        for process in reversed(processes):
            process.kill()  # it would wait for its clients, and nobody needs what it stored
            process.wait(timeout=30)


PEOPLE = {"root": "system:masters", "ann": "", "bob": ""}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(folder: Path, *command: str) -> subprocess.Popen[bytes]:
    log = (folder / f"{Path(command[0]).name}.log").open("wb")
    return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder)


def etcd_command(etcd: str, folder: Path, client: int, peer: int) -> list[str]:
    here, there = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
    return [
        etcd,
        f"--data-dir={folder / 'etcd'}",
        "--unsafe-no-fsync",
        f"--listen-client-urls={here}",
        f"--advertise-client-urls={here}",
        f"--listen-peer-urls={there}",
        f"--initial-advertise-peer-urls={there}",
        f"--initial-cluster=default={there}",
    ]


def server_command(server: str, folder: Path, *, etcd_port: int, port: int) -> list[str]:
    key, people = folder / "key.pem", folder / "people.csv"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    people.write_text("".join(f'token-of-{name},{name},{name},"{group}"\n' for name, group in PEOPLE.items()))
    return [
        server,
        f"--etcd-servers=http://127.0.0.1:{etcd_port}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={folder / 'certificates'}",
        "--authorization-mode=RBAC",
        f"--token-auth-file={people}",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-cluster-ip-range=10.0.0.0/24",
    ]


def wait_for(api: Api, processes: list[subprocess.Popen[bytes]], folder: Path, *, seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if any(process.poll() is not None for process in processes):
            break
        try:
            if api.call("root", "GET", "/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise AssertionError("\n".join(log.read_text()[-2000:] for log in folder.glob("*.log")))
