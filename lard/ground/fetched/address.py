"""What may be asked and what may be said: refusal of private addresses, and secrets kept out of messages."""

import contextlib
import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from lard.errors import SourceError

# bounded, because whole answers of servers are looked through
_SECRET_NAME = re.compile(
    r"(?i)([?&;](?:[\w.-]{0,40}(?:key|token|secret|password|passwd|signature|credential)[\w.-]{0,40}"
    r"|sig|auth|pwd|sv)=)([^&#;\s'\"]+)"
)
_USER_INFO = re.compile(r"(?i)\b(\w{1,20}://)[^/@\s]{1,500}@")
HIDDEN = "***"
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass(slots=True)
class Redactor:
    """Strikes keys out of text: the known ones, and whatever an address calls a key, token or password."""

    secrets: set[str] = field(default_factory=set)

    def learn(self, *secrets: str | None) -> None:
        """Remember values that must never be shown; also in their percent-encoded form."""
        for secret in secrets:
            if secret:
                self.secrets |= {secret, quote(secret, safe="")}

    def learn_from(self, url: str) -> None:
        """Remember the values of an address's secret-looking parameters and its user and password."""
        self.learn(*(value for _, value in _SECRET_NAME.findall(url) if not value.startswith("{")))
        with contextlib.suppress(ValueError):  # no address, which whoever asks it will say
            self.learn(urlsplit(url).password)

    def __call__(self, text: object) -> str:
        """The text without secrets."""
        shown = _USER_INFO.sub(rf"\1{HIDDEN}@", str(text))
        shown = _SECRET_NAME.sub(lambda m: m[1] + (m[2] if m[2].startswith("{") else HIDDEN), shown)
        for secret in sorted(self.secrets, key=len, reverse=True):
            shown = shown.replace(secret, HIDDEN)
        return shown


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the internet at large."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            ip = inner
    return ip.is_global and not ip.is_multicast


def host_allowed(host: str, port: int | None, allow: Iterable[str]) -> bool:
    """Whether the user named this host, with or without its port."""
    host = host.lower().strip("[]")
    names = {host, f"{host}:{port}", f"[{host}]:{port}"}
    return any(name.lower().strip("[]") in names or name.lower() in names for name in allow)


def check_url(url: str, allow: Iterable[str], redact: Redactor, came_from: str = "") -> None:
    """SourceError unless an address is http(s) on a public host or on one that the user allows.

    Every address that the host's name resolves to must be public. A name that does not resolve passes: the
    connection will fail, or a proxy knows it; connections themselves are checked once more by their peer.
    """
    origin = f"{redact(came_from)} redirects to " if came_from else ""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError as error:
        raise SourceError(f"{origin}{redact(url)}: {error}; expected http(s)://host[:port]/...") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SourceError(f"{origin}{redact(url)}: expected an http or https address")
    if host_allowed(parts.hostname, port, allow):
        return
    try:
        found = {
            str(entry[4][0]) for entry in socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
        }
    except (socket.gaierror, ValueError):  # UnicodeError among them
        return
    private = sorted(address for address in found if not is_public(address))
    if private:
        raise SourceError(refusal(f"{origin}{redact(url)}", parts.hostname, private[0]))


def refusal(what: str, host: str, address: str) -> str:
    """The message for an address inside somebody's network."""
    return (
        f"{what}: {host} is the private address {address}, which is refused; if you mean to read from "
        f"it, allow the host by name (--allow-host {host})"
    )
