"""An object store on this machine for tests: moto's server in a process of its own, a proxy that plants faults."""

import http.server
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any

KEY, SECRET = "AKIAEXAMPLE", "a-secret-that-is-never-told"


def environment(endpoint: str) -> dict[str, str]:
    """What a user sets for a store of their own."""
    return {
        "AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true", "LARD_STORE_THREADS": "4",
    }  # fmt: skip


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def moto_server() -> Iterator[str]:
    """The endpoint of a server that speaks S3 and keeps its objects in memory."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    endpoint = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"{endpoint}/moto-api/data.json", timeout=5).read()
                break
            except OSError:
                assert server.poll() is None and time.monotonic() < end, "the store did not start"
                time.sleep(0.05)
        yield endpoint
    finally:
        server.kill()
        server.wait()


@dataclass
class Faults:
    """What a proxy does to the next requests that fit: (method, pattern of path and query, fault), once each."""

    planned: list[tuple[str, str, Any]] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)
    always: list[tuple[str, str, Any]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def plan(self, method: str, pattern: str, fault: Any, times: int = 1) -> None:
        self.planned += [(method, pattern, fault)] * times

    def next(self, method: str, path: str) -> Any:
        with self.lock:
            self.seen[method] += 1
            for row in self.planned:
                if row[0] == method and re.search(row[1], path):
                    self.planned.remove(row)
                    return row[2]
            return next((row[2] for row in self.always if row[0] == method and re.search(row[1], path)), None)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Connections that clients cut are no news."""


@contextmanager
def proxy(endpoint: str) -> Iterator[tuple[str, Faults]]:
    """The endpoint of a proxy in front of another, and what it is to spoil."""
    faults, host = Faults(), endpoint.removeprefix("http://")

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def handle_one(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            fault = faults.next(self.command, self.path)
            if isinstance(fault, tuple):  # a status and a code of S3
                status, code = fault
                text = f"<Error><Code>{code}</Code><Message>planted</Message></Error>".encode()
                self._answer(status, [("Content-Type", "application/xml")], b"" if self.command == "HEAD" else text)
                return
            if fault == "cut before":
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            upstream = HTTPConnection(host, timeout=60)
            upstream.request(self.command, self.path, body, dict(self.headers))
            answer = upstream.getresponse()
            data = answer.read()
            upstream.close()
            headers = [(k, v) for k, v in answer.getheaders() if k.lower() not in _HOP]
            if fault == "wrong etag":
                headers = [(k, '"' + "0" * 32 + '"' if k.lower() == "etag" else v) for k, v in headers]
            if fault == "flip" and data:
                data = bytes([data[0] ^ 255]) + data[1:]
            if fault == "truncate":  # a whole answer of half of the object
                data = data[: len(data) // 2]
            if callable(fault):
                fault()
            self._answer(answer.status, headers, data, cut=fault == "cut within")

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_one

        def _answer(self, status: int, headers: list[tuple[str, str]], data: bytes, cut: bool = False) -> None:
            self.send_response(status)
            size = next((v for k, v in headers if k.lower() == "content-length"), "0")
            for name, value in headers:
                if name.lower() != "content-length":
                    self.send_header(name, value)
            self.send_header("Content-Length", size if self.command == "HEAD" else str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data[: len(data) // 2] if cut else data)
            if cut:
                self.wfile.flush()
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)

    server = _Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", faults
    finally:
        server.shutdown()
        server.server_close()


_HOP = ("connection", "transfer-encoding", "date", "server", "keep-alive")


def lard_process(endpoint: str, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    """`lard ...` as a process of its own."""
    code = "import sys; from lard.cli import main; sys.argv[0] = 'lard'; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, **environment(endpoint), **options.pop("env", {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
