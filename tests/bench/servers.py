"""The servers of the benchmark: how each is started, and a started one."""

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from registry.adapters.local.revision import free_port
from tests.bench.nets import ROOT, Nets
from tests.bench.processes import cpu_seconds

CORES = 2
"""Processes of every server that can have several."""
PATIENCE = 120.0


@dataclass(frozen=True)
class Start:
    """A command and what its environment has beyond ours."""

    command: tuple[str, ...]
    environment: Mapping[str, str]


Recipe = Callable[[Nets, int, int], Start]
"""Nets, HTTP port, gRPC port."""


def ours(model: str = "custom", *flags: str, module: str = "predictor") -> Recipe:
    def start(nets: Nets, http: int, grpc: int) -> Start:
        version = ("--model_dir", str(nets.version(model)), "--trust", str(nets.trust))
        return Start(_python(module, *version, "--host", "127.0.0.1", *_ports(http, grpc), *flags), {})

    return start


def granian(nets: Nets, http: int, grpc: int) -> Start:
    options = ("--interface", "rsgi", "--http", "1", "--no-ws", "--no-log", "--loop", "uvloop", "--task-impl", "rust")
    threads = ("--runtime-mode", "st", "--runtime-blocking-threads", "1", "--blocking-threads", "1")
    where = ("--workers", str(CORES), "--port", str(http), "tests.bench.peers.granian_rsgi:app")
    return Start(_python("granian", *options, *threads, *where), {"GEOMETRY_NET": str(nets.version("custom"))})


def naive(*flags: str) -> Recipe:
    def start(nets: Nets, http: int, grpc: int) -> Start:
        command = _python("tests.bench.peers.kserve_naive", *_ports(http, grpc), *flags)
        return Start(command, {"GEOMETRY_ONNX": str(nets.onnx)})

    return start


def plain(nets: Nets, http: int, grpc: int) -> Start:
    return Start(_python("tests.bench.peers.plain", str(http)), {"GEOMETRY_KERAS": str(nets.keras)})


WORKERS = ("--workers", str(CORES))
SERVERS: Mapping[str, Recipe] = {
    "ours": ours("custom", *WORKERS),
    "int8": ours("custom", *WORKERS, "--variant", "int8"),
    "unmetered": ours("custom", *WORKERS, module="tests.bench.peers.unmetered"),
    "efficientnet": ours("efficientnet", *WORKERS),
    "granian": granian,
    "naive": naive(),
    "naive of two": naive(*WORKERS),
    "plain": plain,
}


class Running:
    """A server that answers. Its output lies in `logs`."""

    def __init__(self, name: str, nets: Nets, logs: Path) -> None:
        """Start it and wait until it is ready and quiet; raises SystemExit with its last words when it is not."""
        self.name = name
        self.http, self.grpc = free_port(), free_port()
        self._log = logs / f"{name.replace(' ', '-')}.log"
        self.started = time.perf_counter()
        start = SERVERS[name](nets, self.http, self.grpc)
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                start.command,
                cwd=ROOT,
                env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT), **start.environment},
                stdout=log,
                stderr=log,
            )

    def wait_ready(self) -> None:
        """Until it says so and all its processes have come to rest; raises SystemExit with its last words."""
        end = self.started + PATIENCE
        while not _answers(self.http, "/v2/health/ready"):
            if self.process.poll() is not None or time.perf_counter() > end:
                raise SystemExit(f"{self.name}: not ready; the end of {self._log}:\n{self._last_words()}")
            time.sleep(0.05)
        before = -1.0
        while cpu_seconds(self.process.pid) - before > 0.01 and time.perf_counter() < end:
            before = cpu_seconds(self.process.pid)
            time.sleep(0.4)

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _last_words(self) -> str:
        return "\n".join(self._log.read_text().splitlines()[-15:])


class Ceiling:
    """Processes that only classify, as many as asked for; idle until told to run."""

    def __init__(self, nets: Nets, model: str, *, processes: int, decoding: bool = False) -> None:
        pictures = nets.folder / ("pictures-256" if model == "efficientnet" else "pictures-64")
        command = _python(
            "tests.bench.peers.forward", str(nets.version(model)), str(pictures), *["decoding"] * decoding
        )
        self._processes = [
            subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            for _ in range(processes)
        ]
        self._answers()

    def run(self, seconds: float) -> tuple[float, float]:
        """Images a second of all processes together, and the median of seconds per image."""
        for process in self._processes:
            process.stdin.write(f"{seconds}\n")
            process.stdin.flush()
        answers = self._answers()
        rate = sum(answer["images"] / answer["seconds"] for answer in answers)
        return rate, sum(answer["median"] for answer in answers) / len(answers)

    def stop(self) -> None:
        for process in self._processes:
            process.stdin.close()
            process.stdout.close()
            process.wait()

    def _answers(self) -> list[dict]:
        return [json.loads(process.stdout.readline()) for process in self._processes]


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)


def _ports(http: int, grpc: int) -> tuple[str, ...]:
    return ("--http_port", str(http), "--grpc_port", str(grpc))


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
