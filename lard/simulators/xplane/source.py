"""X-Plane 11 and 12 as a source: one that runs is driven frame by frame and its screenshots collected."""

from pathlib import Path

import polars as pl

from lard.airports.model import RunwayDatabase
from lard.errors import SourceError
from lard.simulators.core import Source
from lard.simulators.driver import render_source
from lard.simulators.xplane.link import UdpLink
from lard.simulators.xplane.settings import XPlaneSettings, check_frames
from lard.simulators.xplane.simulator import XPlane

DRIVER_VERSION = 1
_VERSION = "sim/version/xplane_internal_version"


def render_xplane(
    frames: pl.DataFrame, out_dir: str | Path, db: RunwayDatabase, settings: XPlaneSettings,
    *, resume: bool = True, shard: tuple[int, int] = (0, 1), jpeg_quality: int = 92,
) -> pl.DataFrame:  # fmt: skip
    """Render frames with the X-Plane that runs at the settings' address; return the manifest."""
    if not settings.screenshots.is_dir():
        raise SourceError(
            f"{settings.screenshots}: no such folder; name X-Plane's own, Output/screenshots in its folder"
        )
    check_frames(frames)
    probe = UdpLink(settings.host, settings.port, settings.timeout_s)
    try:
        version = int(probe.read([_VERSION])[_VERSION])
    finally:
        probe.close()
    source = Source(
        "xplane", f"{_version_text(version)}; driver {DRIVER_VERSION}", "X-Plane end user licence agreement",
        "Laminar Research, X-Plane", {"settle_s": settings.settle_s},
        lambda _number, size: XPlane(settings, size, version),
    )  # fmt: skip
    return render_source(
        frames, out_dir, 1, db, source, resume=resume, shard=shard, jpeg_quality=jpeg_quality
    )


def _version_text(version: int) -> str:
    return (
        f"X-Plane {version // 10000}.{version // 100 % 100:02d}" if version > 99999 else f"X-Plane {version}"
    )
