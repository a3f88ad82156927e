"""Real tracking servers, and a proxy that refuses, delays, and loses answers after the server has done its work."""

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from empty_store import write_empty_store

REFUSALS = ("500", "503", "429")
KINDS = (*REFUSALS, "slow", "lost", "lost")


def wait_until(condition: Any, timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _answers(uri: str) -> bool:
    try:
        urllib.request.urlopen(f"{uri}/health", timeout=1).close()  # noqa: S310
    except OSError:
        return False
    return True


@contextmanager
def serving(store: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A server over a SQLite store, once it answers; it leads a process group."""
    if not store.exists():
        write_empty_store(store)
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{store}"]
    command += ["--artifacts-destination", str(store.parent / "served")]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as server:
        try:
            wait_until(lambda: _answers(address(port)))
            yield server
        finally:
            os.killpg(server.pid, signal.SIGKILL)


@contextmanager
def tracking_server(store: Path, port: int) -> Iterator[str]:
    """The address of a server over a SQLite store, once it answers."""
    with serving(store, port):
        yield address(port)


def address(port: int) -> str:
    return f"http://127.0.0.1:{port}"


class UnreliableProxy(ThreadingHTTPServer):
    """Every fifth request or so goes wrong, until a number of faults has been made."""

    daemon_threads = True

    def __init__(self, target: str, *, faults: int, seed: int) -> None:
        super().__init__(("127.0.0.1", 0), _PassOn)
        self.target = target
        self.made: Counter[str] = Counter()
        self._faults = faults
        self._chance = random.Random(seed)
        self._turn = threading.Lock()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def next_fault(self) -> str | None:
        with self._turn:
            if self.made.total() == self._faults or self._chance.random() > 0.2:
                return None
            kind = KINDS[self.made.total() % len(KINDS)]
            self.made[kind] += 1
            return kind


class _PassOn(BaseHTTPRequestHandler):
    server: UnreliableProxy

    def log_message(self, *arguments: object) -> None:
        """Nobody reads it."""

    def _pass_on(self) -> None:
        fault = self.server.next_fault()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if fault in REFUSALS:
            self._answer(int(fault), b"{}", {"Retry-After": "1"})
            return
        if fault == "slow":
            time.sleep(0.3)
        headers = {"Content-Type": self.headers.get("Content-Type", "application/octet-stream")}
        request = urllib.request.Request(  # noqa: S310  # to the server before which it stands
            self.server.target + self.path, data=body or None, headers=headers, method=self.command
        )
        try:
            with urllib.request.urlopen(request) as answer:  # noqa: S310
                status, content = answer.status, answer.read()
        except urllib.error.HTTPError as answer:
            status, content = answer.code, answer.read()
        if fault == "lost":
            self.close_connection = True
            return
        self._answer(status, content, {"Content-Type": "application/json"})

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass_on

    def _answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(content))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def unreliable(target: str, *, faults: int, seed: int) -> Iterator[UnreliableProxy]:
    """A proxy before the server at `target`."""
    with UnreliableProxy(target, faults=faults, seed=seed) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()


class _Forbid(BaseHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Nobody reads it."""

    def do_GET(self) -> None:
        content = b'{"error_code": "PERMISSION_DENIED", "message": "the experiment is not yours"}'
        self.send_response(403)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def forbidding() -> Iterator[str]:
    """The address of a server that knows who asks, and forbids it."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Forbid) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield address(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()
