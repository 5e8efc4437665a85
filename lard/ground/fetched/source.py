"""What every provider boils down to: tile grids, the address or bytes of a tile, and who is to be named."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl

from lard.documents import decode_text
from lard.errors import SourceError, one_line
from lard.ground.fetched.address import Redactor
from lard.ground.fetched.cache import Entry, TileCache
from lard.ground.fetched.grid import TileMatrix
from lard.ground.fetched.http import Http, RefusedError, Reply, TransientError

UNSTATED_LICENCE = "unstated; the provider's terms of use apply"
UNSTATED_ATTRIBUTION = "unstated; see the provider's terms of use"
COMMON_OPTIONS = ("licence", "attribution", "zooms", "missing", "placeholder", "repeated")


@dataclass(frozen=True, slots=True)
class Credit:
    """Who made the imagery of an area (south, west, north, east in degrees) at a range of zooms."""

    text: str
    zoom_min: int = 0
    zoom_max: int = 99
    area: tuple[float, float, float, float] = (-90.0, -180.0, 90.0, 180.0)


@dataclass(frozen=True, slots=True)
class TileSource:
    """An opened provider: `url_of` (remote) or `read` (local) gives a tile by matrix, column and row."""

    kind: str
    identity: str  # without secrets; names the cache
    slug: str
    matrices: tuple[TileMatrix, ...]
    licence: str = UNSTATED_LICENCE
    credits: tuple[Credit, ...] = ()
    url_of: Callable[[TileMatrix, int, int], str] | None = None
    read: Callable[[TileMatrix, int, int], bytes | None] | None = None
    missing: frozenset[int] = frozenset({204, 404, 410})
    placeholders: frozenset[str] = frozenset()
    note: str = ""
    keep_repeated: bool = False  # whether one picture may be the ground of many places

    def matrix(self, zoom: int) -> TileMatrix:
        """The matrix of a zoom."""
        for matrix in self.matrices:
            if matrix.zoom == zoom:
                return matrix
        raise SourceError(f"{self.identity}: has no zoom {zoom}; it has {self.zoom_range}")

    @property
    def zoom_range(self) -> str:
        """First and last zoom in words."""
        zooms = [matrix.zoom for matrix in self.matrices]
        return f"zooms {min(zooms)} to {max(zooms)}"

    def attribution(self, south: float, west: float, north: float, east: float, zooms: set[int]) -> str:
        """Everyone to be named for an area at some zooms."""
        texts = {
            credit.text
            for credit in self.credits
            if credit.text
            and credit.area[0] <= north and credit.area[2] >= south
            and credit.area[1] <= east and credit.area[3] >= west
            and any(credit.zoom_min <= zoom <= credit.zoom_max for zoom in zooms)
        }  # fmt: skip
        return "; ".join(sorted(texts)) or UNSTATED_ATTRIBUTION


@dataclass(frozen=True, slots=True)
class Opening:
    """What a provider gets to open itself: its address, the options behind '#', the key and the network."""

    kind: str
    address: str
    options: dict[str, str]
    key: str
    http: Http
    cache: TileCache
    slug: str

    @property
    def redact(self) -> Redactor:
        """Strikes secrets out of messages."""
        return self.http.redact

    @property
    def identity(self) -> str:
        """The specification without secrets."""
        shown = {
            name: value
            for name, value in self.options.items()
            if name not in ("licence", "attribution", "repeated")
        }
        tail = "&".join(f"{name}={value}" for name, value in sorted(shown.items()))
        place = self.address
        if (
            "://" not in place and self.kind != "bing"
        ):  # a file or folder: its place on this machine is no matter
            place = re.sub(r"^.*/(?=[^/{]+/?(\{|$))", "", place)
        return self.redact(f"{self.kind}:{place}" + (f"#{tail}" if tail else ""))

    def only(self, *names: str) -> None:
        """SourceError for options this provider does not know."""
        unknown = sorted(set(self.options) - set(names) - set(COMMON_OPTIONS))
        if unknown:
            known = ", ".join(sorted({*names, *COMMON_OPTIONS}))
            raise SourceError(
                f"{self.identity}: unknown option {', '.join(unknown)}; expected some of {known}"
            )

    def zooms(self, default: tuple[int, int]) -> tuple[int, int]:
        """First and last zoom of the option `zooms` (a-b), within 0 to 30."""
        text = self.options.get("zooms", "")
        if not text:
            return default
        first, _, last = text.partition("-")
        whole = re.fullmatch(r"[0-9]{1,2}(-[0-9]{1,2})?", text)
        if not (whole and int(first) <= int(last or first) <= 30):
            raise SourceError(f"{self.identity}: zooms is {text!r}; expected first-last, for example 10-19")
        return int(first), int(last or first)

    def limited(self, matrices: tuple[TileMatrix, ...]) -> tuple[TileMatrix, ...]:
        """The matrices within the option `zooms`."""
        first, last = self.zooms((0, 99))
        kept = tuple(matrix for matrix in matrices if first <= matrix.zoom <= last)
        if not kept:
            raise SourceError(
                f"{self.identity}: no zoom of the source lies in {self.options.get('zooms', '')!r}"
            )
        return kept

    def number(self, name: str, default: int, low: int, high: int) -> int:
        """An option that is a whole number."""
        text = self.options.get(name, str(default))
        if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
            raise SourceError(f"{self.identity}: {name} is {text!r}; expected from {low} to {high}")
        return int(text)

    @property
    def missing(self) -> frozenset[int]:
        """HTTP statuses that mean: there is no such tile."""
        text = self.options.get("missing", "")
        if not all(re.fullmatch(r"[0-9]{3}", part) for part in text.split(",") if part):
            raise SourceError(
                f"{self.identity}: missing is {text!r}; expected HTTP statuses, for example 403,404"
            )
        return frozenset({204, 404, 410, *(int(part) for part in text.split(",") if part)})

    @property
    def placeholders(self) -> frozenset[str]:
        """SHA-256 of pictures that only say that there is no imagery."""
        parts = [part.lower() for part in self.options.get("placeholder", "").split(",") if part]
        if any(len(part) != 64 for part in parts):
            raise SourceError(f"{self.identity}: placeholder: expected SHA-256 digests of 64 hex digits")
        return frozenset(parts)

    def licence(self, found: str = "") -> str:
        """The stated licence, else what the source itself says."""
        return self.options.get("licence") or one_line(found.strip()) or UNSTATED_LICENCE

    def credits(self, *found: Credit) -> tuple[Credit, ...]:
        """The stated attribution, else what the source itself says."""
        stated = self.options.get("attribution")
        if stated:
            return (Credit(stated),)
        return tuple(replace(credit, text=one_line(credit.text.strip())) for credit in found if credit.text)

    def document(self, url: str, name: str, what: str) -> bytes:
        """A description the server gives of itself, or the one that was kept when offline."""
        if self.http.settings.offline:
            kept = self.cache.document(name)
            if kept is None:
                raise SourceError(
                    f"{self.identity}: offline, and {what} is not in the cache {self.slug}; "
                    "fetch something once with the network on"
                )
            return kept.body
        shown = self.redact(url)
        try:
            reply = self.http.get(url, self.http.settings.document_limit_bytes, _not_empty)
        except (TransientError, RefusedError) as error:
            raise SourceError(f"{shown}: {what} cannot be read: {error}") from None
        if reply.status in (401, 403):
            hint = "check the key" if self.key else "it may need a key: --key"
            raise SourceError(f"{shown}: {what} is refused (HTTP {reply.status}); {hint}")
        if reply.status != 200:
            raise SourceError(f"{shown}: {what} cannot be read: HTTP {reply.status}; check the address")
        return reply.body

    def keep(self, name: str, body: bytes) -> None:
        """Keep a description that was understood, for when offline; a bad one replaces none."""
        if self.http.settings.offline:
            return
        # a document may repeat the key it was asked with
        text = self.redact(decode_text(body, self.identity, error=SourceError, old=True))
        self.cache.write_document(name, Entry(text.encode(), "text/plain"))


def _not_empty(reply: Reply) -> None:
    if reply.status == 200 and not reply.body:
        raise TransientError("an empty answer")


def options_of(fragment: str, where: str) -> dict[str, str]:
    """Options name=value&name=value behind the '#' of a source."""
    if not fragment:
        return {}
    try:
        pairs = parse_qsl(fragment, keep_blank_values=True, strict_parsing=True)
    except ValueError as error:
        raise SourceError(f"{where}: {error}; expected #name=value&name=value behind the address") from None
    names = [name for name, _ in pairs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SourceError(f"{where}: option {', '.join(twice)} is given twice")
    return dict(pairs)
