"""Ray nodes on this machine that can be killed as a machine dies: all of one at once, without a word."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

STORE = 100_000_000  # bytes of a node's memory for objects, of which our commands make none
ATTEMPTS = 5
PATIENCE = 120  # seconds that a node may take to come up on a machine with much else to do
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DISABLE_IMPORT_WARNING": "1",
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_failure_threshold": "5",
    "RAY_agent_register_timeout_ms": str(1000 * PATIENCE),
    "RAY_prestart_worker_first_driver": "0",
}


def free_ports(count: int) -> list[int]:
    """Ports of the loopback device that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    found = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return found


@dataclass
class Node:
    """A node: `ray start --block` and what it has started."""

    process: subprocess.Popen

    def family(self) -> list[psutil.Process]:
        try:
            root = psutil.Process(self.process.pid)
            return [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def kill(self) -> None:
        """End all of it at once."""
        for each in self.family():
            with suppress(psutil.NoSuchProcess):
                each.kill()
        self.process.wait()


@dataclass
class Nodes:
    """A cluster on the loopback device."""

    address: str
    folder: Path
    python_path: str
    head: Node | None = None
    others: list[Node] = field(default_factory=list)

    def add(self, cores: int = 1) -> Node:
        """One more node, once it is up; Ray gives up where its own helpers take 15 s to start, as on a machine that is busy."""
        for _ in range(ATTEMPTS - 1):
            with suppress(RuntimeError):
                return self._add(cores)
        return self._add(cores)

    def _add(self, cores: int) -> Node:
        first = self.head is None
        ports = free_ports(4)
        named = ("dashboard-agent-grpc-port", "dashboard-agent-listen-port", "runtime-env-agent-port", "metrics-export-port")
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--node-ip-address=127.0.0.1"]
        command += [f"--num-cpus={cores}", "--num-gpus=0", f"--object-store-memory={STORE}"]
        command += [f"--{name}={port}" for name, port in zip(named, ports, strict=True)]
        if first:
            port = self.address.rpartition(":")[2]
            command += ["--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={self.folder}"]
        else:
            command += [f"--address={self.address}"]
        environment = os.environ | SETTINGS | {"PYTHONPATH": self.python_path}
        log = open(self.folder / f"node-{len(self.others) + (not first)}.log", "wb")  # noqa: SIM115
        node = Node(subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True))
        log.close()
        self._await(node, Path(log.name))
        if first:
            self.head = node
        else:
            self.others.append(node)
        return node

    def _await(self, node: Node, log: Path) -> None:
        begun = time.monotonic()
        while "Ray runtime started" not in log.read_text(errors="replace"):
            if node.process.poll() is not None or time.monotonic() - begun > PATIENCE:
                node.kill()
                raise RuntimeError(f"a Ray node did not start: {log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.1)

    def kill(self, node: Node) -> None:
        """One of the others dies."""
        self.others.remove(node)
        node.kill()

    def stop(self) -> None:
        for node in [*self.others, *([self.head] if self.head else [])]:
            node.kill()


@contextmanager
def cluster(cores: int = 1, nodes: int = 2) -> Iterator[Nodes]:
    """So many nodes of so many cores each, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # short: names of sockets hold it
    # JupyterLab brings a grammar of addresses that jsonschema loads where it is: 3 s of every process of Ray, for nothing.
    (folder / "rfc3987_syntax.py").write_text("raise ImportError\n")
    python_path = os.pathsep.join(filter(None, (str(folder), str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH"))))
    found = Nodes(f"127.0.0.1:{free_ports(1)[0]}", folder, python_path)
    try:
        for _ in range(nodes):
            found.add(cores)
        yield found
    finally:
        found.stop()
        shutil.rmtree(folder, ignore_errors=True)
