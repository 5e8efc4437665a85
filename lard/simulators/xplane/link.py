"""Reading and writing X-Plane's datarefs: over UDP, where packets get lost, or over X-Plane 12's Web API."""

import itertools
import math
import socket
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import requests

from lard.errors import SourceError
from lard.simulators.core import SimulatorFault
from lard.simulators.xplane import packets

_RESEND_S = 0.1
_PER_SECOND = 20
WRITE_ATTEMPTS = 5
FLOAT32_DIGITS = 2e-6  # relative: what a value loses in an RREF packet


class Link(Protocol):
    """One way to X-Plane's datarefs and commands."""

    def read(self, names: Sequence[str]) -> dict[str, float]:
        """Values of datarefs now."""

    def write(self, values: Mapping[str, float]) -> None:
        """Set datarefs and make sure of it."""

    def command(self, name: str) -> None:
        """Run a command once."""

    def close(self) -> None:
        """Let go of the connection."""


class UdpLink:
    """X-Plane 11 and 12 by UDP.

    Every question has a number of its own, so that a late answer to an earlier one is not taken for it;
    questions are asked again until they are answered, and what is written is read back.
    """

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        self.host, self.port, self.timeout_s = host, port, timeout_s
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(_RESEND_S)
        self._numbers = itertools.count(1)

    def send(self, packet: bytes) -> None:
        """Send one packet."""
        try:
            self.socket.sendto(packet, (self.host, self.port))
        except OSError as error:
            raise SourceError(
                f"X-Plane at {self.host}:{self.port}: cannot send ({error}); check host and network"
            ) from error

    def read(self, names: Sequence[str]) -> dict[str, float]:
        """Values of datarefs now; SimulatorFault when some do not come in time."""
        numbers = {next(self._numbers): name for name in names}
        found: dict[str, float] = {}
        deadline = time.monotonic() + self.timeout_s
        asked = -math.inf
        try:
            while len(found) < len(numbers):
                now = time.monotonic()
                if now > deadline:
                    lacking = ", ".join(name for name in names if name not in found)
                    raise SimulatorFault(
                        f"X-Plane at {self.host}:{self.port}: no answer for {lacking} in "
                        f"{self.timeout_s:g} s; is it running, and does it accept incoming connections "
                        "(Settings > Network)?"
                    )
                if now - asked > _RESEND_S:
                    asked = now
                    for number, name in numbers.items():
                        if name not in found:
                            self.send(packets.rref(name, number, _PER_SECOND))
                for number, value in self._receive().items():
                    if number in numbers:
                        found[numbers[number]] = value
        finally:
            for number, name in numbers.items():
                self.send(packets.rref(name, number, 0))
        return found

    def _receive(self) -> dict[int, float]:
        try:
            return packets.rref_values(self.socket.recvfrom(65536)[0])
        except TimeoutError:
            return {}
        except ConnectionResetError as error:  # Windows tells of a closed port this way
            raise SimulatorFault(f"X-Plane at {self.host}:{self.port}: nobody listens there") from error

    def write(self, values: Mapping[str, float]) -> None:
        """Set datarefs and read them back, a few times; SimulatorFault when one does not take its value."""
        wrong = dict(values)
        seen: dict[str, float] = {}
        for _ in range(WRITE_ATTEMPTS):
            for name, value in wrong.items():
                self.send(packets.dref(name, value))
            seen = self.read(list(wrong))
            wrong = {name: value for name, value in wrong.items() if not _same(seen[name], value)}
            if not wrong:
                return
        name, value = next(iter(wrong.items()))
        raise SimulatorFault(
            f"X-Plane keeps {name} at {seen[name]:g}; {value:g} was written {WRITE_ATTEMPTS} times"
        )

    def command(self, name: str) -> None:
        """Run a command once; UDP does not tell whether it did."""
        self.send(packets.command(name))

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()


class WebLink:
    """X-Plane 12.1.4 and later by its Web API: REST on the machine it runs on, in double precision."""

    def __init__(self, url: str, timeout_s: float) -> None:
        self.url, self.timeout_s = url.rstrip("/"), timeout_s
        self.session = requests.Session()
        self.session.trust_env = False  # a proxy has no business between us and this machine
        self._ids: dict[tuple[str, str], int] = {}
        versions = self._call("GET", "/api/capabilities").get("api", {}).get("versions", [])
        if "v2" not in versions:
            raise SourceError(
                f"{self.url}: the Web API offers {', '.join(versions) or 'no version'}; commands need v2 "
                "(X-Plane 12.1.4 or later), or use UDP"
            )

    def _call(self, method: str, path: str, **options: Any) -> Any:
        try:
            answer = self.session.request(method, self.url + path, timeout=self.timeout_s, **options)
        except requests.RequestException as error:
            raise SimulatorFault(
                f"{self.url}{path}: no answer ({type(error).__name__}); is X-Plane 12.1.4 or later running, "
                "with incoming traffic allowed (Settings > Network)?"
            ) from error
        if not answer.ok:
            raise SimulatorFault(f"{self.url}{path}: {answer.status_code} {answer.text[:200]}")
        try:
            return answer.json() if answer.content else {}
        except ValueError as error:
            raise SimulatorFault(f"{self.url}{path}: answered something else than JSON") from error

    def _id(self, kind: str, name: str) -> int:
        """Number of a dataref or command; numbers hold for one run of X-Plane."""
        if (kind, name) not in self._ids:
            found = self._call("GET", f"/api/v2/{kind}", params={"filter[name]": name}).get("data", [])
            numbers = [entry["id"] for entry in found if entry.get("name") == name]
            if not numbers:
                raise SourceError(
                    f"{self.url}: X-Plane has no {kind[:-1]} {name}; its version is not the expected"
                )
            self._ids[kind, name] = int(numbers[0])
        return self._ids[kind, name]

    def read(self, names: Sequence[str]) -> dict[str, float]:
        """Values of datarefs now."""
        values = {}
        for name in names:
            base, element = _element(name)
            path = f"/api/v2/datarefs/{self._id('datarefs', base)}/value"
            value = self._call("GET", path, params={} if element is None else {"index": element})["data"]
            values[name] = float(value[0] if isinstance(value, list) else value)
        return values

    def write(self, values: Mapping[str, float]) -> None:
        """Set datarefs and read them back."""
        for name, value in values.items():
            base, element = _element(name)
            path = f"/api/v2/datarefs/{self._id('datarefs', base)}/value"
            params = {} if element is None else {"index": element}
            self._call("PATCH", path, params=params, json={"data": value})
        seen = self.read(list(values))
        for name, value in values.items():
            if not _same(seen[name], value):
                raise SimulatorFault(f"X-Plane keeps {name} at {seen[name]:g}; {value:g} was written")

    def command(self, name: str) -> None:
        """Run a command once."""
        number = self._id("commands", name)
        self._call("POST", f"/api/v2/command/{number}/activate", json={"duration": 0})

    def close(self) -> None:
        """Close the session."""
        self.session.close()


def _element(name: str) -> tuple[str, int | None]:
    base, bracket, rest = name.partition("[")
    return (base, int(rest.rstrip("]"))) if bracket else (base, None)


def _same(seen: float, wanted: float) -> bool:
    return abs(seen - wanted) <= max(1e-4, abs(wanted) * FLOAT32_DIGITS * 10)
