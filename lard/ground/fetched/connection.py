"""Connections of one thread: their peers are looked at, and their answers are cut when they take too long."""

import contextlib
import socket
import threading
import time
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from lard.errors import SourceError
from lard.ground.fetched.address import host_allowed, is_public, refusal

STALL_BYTES = 2048
"""What comes of a body in the time given for some progress, at least."""


class Session(requests.Session):
    """A session that leaves redirects to us: requests looks at them even when told not to follow."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


class Watch:
    """Cuts the connection of one answer that takes too long, headers and chunk sizes included.

    Its headers have `first_s`, each further `STALL_BYTES` of its body `stall_s`, and all of it `deadline_s`.
    """

    def __init__(self, deadline_s: float, first_s: float, stall_s: float) -> None:
        self.deadline_s, self.first_s, self.stall_s = deadline_s, first_s, stall_s
        self.expired, self.fault = False, ""
        self._began_s = self._until_s = 0.0
        self._size = self._marked = 0
        self._socket: socket.socket | None = None
        self._handle: socket.socket | None = None
        self._timer = threading.Timer(deadline_s, lambda: None)  # never started

    def __enter__(self) -> "Watch":
        self.expired, self.fault, self._socket = False, "", None
        self._size = self._marked = 0
        self._began_s = time.monotonic()
        self._until_s = self._began_s + min(self.first_s, self.deadline_s)
        self._start()
        return self

    def _start(self) -> None:
        left_s = max(self._until_s - time.monotonic(), 0.0)
        timer = threading.Timer(min(left_s, self.stall_s / 4), lambda: self._cut(timer))
        timer.daemon = True
        self._timer = timer
        timer.start()

    def came(self, size: int) -> None:
        """So many bytes of the body are there; enough of them give the next ones their time."""
        if not self._size or size - self._marked >= STALL_BYTES:
            self._marked = size
            self._until_s = min(self._began_s + self.deadline_s, time.monotonic() + self.stall_s)
        self._size = size

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._socket = None
        if self._handle is not None:
            self._handle.close()
            self._handle = None

    def opened(self, sock: socket.socket) -> None:
        """A connection that is being made: by a handle of our own, as TLS takes the first one over."""
        self._handle = sock.dup()
        self.over(self._handle)

    def over(self, sock: socket.socket | None) -> None:
        """The connection that the answer comes over."""
        self._socket = sock
        if self.expired:
            self._cut(self._timer)

    def _cut(self, timer: threading.Timer) -> None:
        if timer is not self._timer:
            return  # of an answer that was finished just in time
        now_s = time.monotonic()
        if not self.expired and now_s < self._until_s:  # bytes came meanwhile
            self._start()
            return
        if now_s - self._began_s >= self.deadline_s:
            self.fault = f"the answer took longer than {self.deadline_s:g} s"
        elif self._size:
            self.fault = f"the answer drips: less than {STALL_BYTES} bytes of it came in {self.stall_s:g} s"
        else:
            self.fault = f"the answer did not begin within {self.first_s:g} s"
        self.expired = True
        sock = self._socket
        if sock is not None:
            # the reader gets an end of file; an SSLSocket's own shutdown would take its state away
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


class GuardedAdapter(HTTPAdapter):
    """Connections whose peer is looked at before anything is sent: a second name lookup cannot fool us."""

    def __init__(self, allow_hosts: tuple[str, ...], watch: Watch) -> None:
        self._allow_hosts, self._watch = allow_hosts, watch
        super().__init__(pool_maxsize=2, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        plain, secure = (
            _guarded(HTTPConnection, self._allow_hosts, self._watch),
            _guarded(HTTPSConnection, self._allow_hosts, self._watch),
        )
        pools = {}
        for scheme, pool, connection in (
            ("http", urllib3.HTTPConnectionPool, plain),
            ("https", urllib3.HTTPSConnectionPool, secure),
        ):
            pools[scheme] = type(f"Guarded{pool.__name__}", (pool,), {"ConnectionCls": connection})
        self.poolmanager.pool_classes_by_scheme = pools


def _guarded(base: type[HTTPConnection], allow_hosts: tuple[str, ...], watch: Watch) -> type[HTTPConnection]:
    class Guarded(base):  # type: ignore[misc, valid-type]
        def _new_conn(self) -> socket.socket:
            sock: socket.socket = super()._new_conn()
            peer = sock.getpeername()[0]
            if not host_allowed(self.host, self.port, allow_hosts) and not is_public(peer):
                sock.close()
                raise SourceError(refusal(self.host, self.host, peer))
            watch.opened(sock)
            return sock

        def getresponse(self) -> Any:
            watch.over(self.sock)
            return super().getresponse()

    return Guarded
