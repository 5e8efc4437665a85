"""Polite HTTP: rate limit, retries with backoff, size and time limits, redirects followed by hand.

Nothing here knows what a tile is; see download.py.
"""

import email.utils
import http.client
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import numpy as np
import requests
import urllib3

import lard
from lard.errors import SourceError
from lard.ground.fetched.address import Redactor, check_url
from lard.ground.fetched.connection import GuardedAdapter, Session, Watch
from lard.tables import stable_hash

MAX_REDIRECTS = 5
SLOW_ROUNDS = 2
"""How often all threads may run out of time, one answer after another, before a server is given up."""
RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
_CHUNK = 65536
_FAULTS = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
    ValueError,
)
_LATE = (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)
_NO_ADDRESS = (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """How politely and within what limits to ask."""

    rate_per_s: float = 10.0
    threads: int = 4
    attempts: int = 6
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 30.0
    deadline_s: float = 120.0  # of one answer, however steadily it comes
    stall_s: float = 20.0  # for some progress of an answer that has begun
    backoff_s: float = 0.5
    backoff_max_s: float = 60.0
    retry_after_max_s: float = 600.0
    tile_limit_bytes: int = 8 << 20
    document_limit_bytes: int = 64 << 20
    total_limit_bytes: int = 20 << 30
    allow_hosts: tuple[str, ...] = ()
    user_agent: str = f"lard/{lard.__version__} (runway-detection datasets) python-requests"
    offline: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.rate_per_s <= 1000:
            raise SourceError(
                f"rate is {self.rate_per_s:g} requests per second; expected from above 0 to 1000"
            )
        if not 1 <= self.threads <= 32:
            raise SourceError(f"threads is {self.threads}; expected from 1 to 32")
        if self.attempts < 1:
            raise SourceError(f"attempts is {self.attempts}; expected at least 1")


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete answer of a server."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        """Content type without parameters, lower case."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()


class TransientError(Exception):
    """An attempt failed in a way that may pass; says how long the server asks to wait."""

    def __init__(self, message: str, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class RefusedError(Exception):
    """An answer that asking again will not mend: too big, too many redirects."""


class Stopped(Exception):
    """The run was asked to stop while this request waited."""


class Http:
    """Requests of one run; shared by its threads."""

    def __init__(
        self,
        settings: HttpSettings,
        redact: Redactor | None = None,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        self.settings, self.redact = settings, redact or Redactor()
        self.stop = threading.Event()
        self.retries = 0
        self._wait = wait or self.stop.wait
        self._local = threading.local()
        self._lock = threading.Lock()
        self._next_s = 0.0
        self._slow_in_a_row = 0
        self._checked: set[str] = set()

    def get(self, url: str, limit_bytes: int, accept: Callable[[Reply], None] | None = None) -> Reply:
        """An answer after at most settings.attempts; `accept` raises TransientError to have it asked again.

        Raises the last TransientError when none was good, RefusedError or SourceError when asking is futile.
        """
        rng = np.random.default_rng([self.settings.seed, stable_hash(self.redact(url))])
        for attempt in range(self.settings.attempts):
            try:
                reply = self._ask(url, limit_bytes)
                if reply.status in RETRIED:
                    raise TransientError(f"HTTP {reply.status}", _retry_after_s(reply.headers))
                if accept is not None:
                    accept(reply)
                return reply
            except TransientError as error:
                if attempt + 1 == self.settings.attempts:
                    raise
                backoff_s = min(self.settings.backoff_s * 2**attempt, self.settings.backoff_max_s)
                pause_s = backoff_s * (0.5 + rng.random())
                if error.wait_s is not None:
                    if error.wait_s > self.settings.retry_after_max_s:
                        raise TransientError(
                            f"{error}, and the server asks to wait {error.wait_s:.0f} s; run again later"
                        ) from None
                    pause_s = max(pause_s, error.wait_s)
                    self._hold_all(error.wait_s)
                with self._lock:
                    self.retries += 1
                self._pause(pause_s)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _ask(self, url: str, limit_bytes: int) -> Reply:
        """One attempt, redirects followed; every hop is checked and counts for the rate limit."""
        came_from = ""
        for _ in range(MAX_REDIRECTS + 1):
            self._check(url, came_from)
            self._take_turn()
            session, watch = self._session()
            try:
                with (
                    watch,
                    session.get(
                        url,
                        stream=True,
                        allow_redirects=False,
                        timeout=(self.settings.connect_timeout_s, self.settings.read_timeout_s),
                    ) as response,
                ):
                    target = response.headers.get("Location")
                    if watch.expired:  # headers that were cut look complete
                        raise self._slow(url, watch.fault)
                    if response.status_code in (301, 302, 303, 307, 308) and target:
                        came_from, url = url, self._redirected(url, target)
                        continue
                    body = self._body(response, limit_bytes, watch)
                    self._slow_in_a_row = 0
                    return Reply(response.status_code, response.headers, body)
            except _FAULTS as error:
                late = (
                    watch.fault if watch.expired else self._cause(error) if isinstance(error, _LATE) else ""
                )
                raise (self._slow(url, late) if late else self._told(url, error)) from None
        raise RefusedError(f"more than {MAX_REDIRECTS} redirects")

    def _slow(self, url: str, fault: str) -> Exception:
        """What an answer that ran out of time means: after several in a row, that the server is of no use."""
        with self._lock:
            self._slow_in_a_row += 1
            count = self._slow_in_a_row
        if count < SLOW_ROUNDS * self.settings.threads:
            return TransientError(fault)
        return SourceError(
            f"{self.redact(host_of(url))}: {count} answers in a row came too slowly, the last: {fault};"
            " what is there is kept, run again when the server is faster"
        )

    def _told(self, url: str, error: Exception) -> Exception:
        """What an attempt's failure means: worth another one, or not."""
        if isinstance(error, requests.exceptions.SSLError):
            return SourceError(f"{self.redact(url)}: the TLS connection is refused ({self._cause(error)})")
        if isinstance(error, requests.RequestException | urllib3.exceptions.HTTPError | OSError):
            if isinstance(error, _NO_ADDRESS):
                return SourceError(f"{self.redact(url)}: not a valid address ({self._cause(error)})")
            return TransientError(self._cause(error))
        if isinstance(error, http.client.HTTPException):
            return TransientError(f"the answer is no HTTP ({self._cause(error)})")
        # a ValueError: what the server's address or headers hold cannot be read
        return RefusedError(f"the address or the answer cannot be read ({self._cause(error)})")

    def _check(self, url: str, came_from: str) -> None:
        """Refuse private addresses; a server's name is looked up once, its connections are checked each."""
        server = "/".join(url.split("/", 3)[:3])
        if server not in self._checked:
            check_url(url, self.settings.allow_hosts, self.redact, came_from)
            self._checked.add(server)

    def _redirected(self, url: str, target: str) -> str:
        try:
            following = urljoin(url, target.encode("latin-1").decode("utf-8"))
            urlsplit(following).port  # noqa: B018 - a port that is none raises
        except ValueError as error:
            raise RefusedError(
                f"redirected to {self.redact(target[:200])!r}, no valid address ({error})"
            ) from None
        if url.startswith("https:") and following.startswith("http:"):
            raise RefusedError(f"redirected from https to {self.redact(following)}, without encryption")
        return following

    def _body(self, response: requests.Response, limit_bytes: int, watch: Watch) -> bytes:
        """The decoded body, refused as soon as it exceeds the limit or its time."""
        stated = response.headers.get("Content-Length", "")
        if re.fullmatch(r"[0-9]{1,18}", stated) and int(stated) > limit_bytes:
            raise RefusedError(f"the answer is {int(stated)} bytes long, more than {limit_bytes}")
        chunks, size = [], 0
        while chunk := response.raw.read1(_CHUNK, decode_content=True):
            size += len(chunk)
            if size > limit_bytes:
                raise RefusedError(f"the answer is longer than {limit_bytes} bytes")
            watch.came(size)
            if self.stop.is_set():
                raise Stopped
            chunks.append(chunk)
        if watch.expired:
            raise self._slow(response.url, watch.fault)
        return b"".join(chunks)

    def _take_turn(self) -> None:
        """Wait for this request's place in the common rate."""
        with self._lock:
            now_s = time.monotonic()
            turn_s = max(now_s, self._next_s)
            self._next_s = turn_s + 1 / self.settings.rate_per_s
        if turn_s > now_s:
            self._pause(turn_s - now_s)

    def _hold_all(self, wait_s: float) -> None:
        """A server that names a pause means all threads."""
        with self._lock:
            self._next_s = max(self._next_s, time.monotonic() + wait_s)

    def _pause(self, seconds: float) -> None:
        self._wait(seconds)
        if self.stop.is_set():
            raise Stopped

    def _session(self) -> tuple[requests.Session, Watch]:
        """This thread's session and what watches over its answers."""
        found: tuple[requests.Session, Watch] | None = getattr(self._local, "session", None)
        if found is None:
            limits = self.settings
            first_s = limits.connect_timeout_s + limits.read_timeout_s
            session, watch = Session(), Watch(limits.deadline_s, first_s, limits.stall_s)
            session.headers["User-Agent"] = self.settings.user_agent
            session.headers["Accept-Encoding"] = "identity"  # pictures do not shrink, and nothing may swell
            adapter = GuardedAdapter(self.settings.allow_hosts, watch)
            session.mount("http://", adapter)
            session.mount("https://", adapter)
            found = self._local.session = session, watch
        return found

    def _cause(self, error: BaseException) -> str:
        """What went wrong in few words, without secrets."""
        if isinstance(error, requests.exceptions.ConnectTimeout | urllib3.exceptions.ConnectTimeoutError):
            return f"no connection within {self.settings.connect_timeout_s:g} s"
        if isinstance(error, requests.exceptions.Timeout | urllib3.exceptions.ReadTimeoutError):
            return f"no data for {self.settings.read_timeout_s:g} s"
        cut = re.search(r"IncompleteRead\((\d+) bytes read, (\d+) more expected\)", str(error))
        if cut:
            return f"truncated after {cut[1]} bytes, {cut[2]} more expected"
        inner: Any = error
        while (nested := [one for one in getattr(inner, "args", ()) if isinstance(one, Exception)]) and (
            nested[0] is not inner
        ):
            inner = nested[0]
        if isinstance(inner, http.client.HTTPException):
            return self.redact(_no_http(inner))[:300]
        inner = getattr(inner, "reason", None) or inner
        text = re.sub(r"^\w+\(host=[^)]*\): ", "", str(inner))
        return self.redact(f"{text or type(inner).__name__}")[:300]


def _no_http(error: http.client.HTTPException) -> str:
    """What is wrong with an answer that http.client does not read, as a sentence."""
    if isinstance(error, http.client.RemoteDisconnected):
        return "the server closed the connection without an answer"
    if isinstance(error, http.client.BadStatusLine):
        return f"the answer begins with {str(error.args[0]).strip()[:60]!r}, which is no HTTP status"
    if isinstance(error, http.client.LineTooLong):
        return "a header of the answer is longer than 65536 bytes"
    if "headers" in str(error):
        return "the answer has more than 100 headers"
    return f"the answer is no HTTP ({str(error) or type(error).__name__})"


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After header, a number or a date; None without one."""
    text = headers.get("Retry-After", "").strip()
    if not text:
        return None
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):  # neither a number nor a date
        return None


def host_of(url: str) -> str:
    """The host of an address, for names of folders and progress lines."""
    try:
        return urlsplit(url).hostname or "local"
    except ValueError:
        return "local"
