"""Where X-Plane is and how long to wait for it, and which frames it can show."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from lard.errors import DataError
from lard.simulators.core import Frame


@dataclass(frozen=True, slots=True)
class XPlaneSettings:
    """Where X-Plane listens and puts its screenshots, and how long to wait."""

    screenshots: Path
    host: str = "127.0.0.1"
    port: int = 49000
    web_url: str = ""  # datarefs by the Web API instead, for example http://127.0.0.1:8086
    timeout_s: float = 5.0
    load_timeout_s: float = 120.0
    settle_s: float = 1.0
    screenshot_timeout_s: float = 20.0


def check_frames(frames: pl.DataFrame) -> None:
    """DataError that names the frames X-Plane cannot show, ten at most."""
    faults = [
        f"frame {row['frame_id']}: {text}"
        for row in frames.iter_rows(named=True)
        if (text := _cannot(row)) is not None
    ]
    if faults:
        more = f"\n... and {len(faults) - 10} more" if len(faults) > 10 else ""
        raise DataError("\n".join(faults[:10]) + more)


def _cannot(frame: Frame) -> str | None:
    """What about a frame X-Plane cannot show, or None."""
    if frame["altitude_datum"] != "msl":
        return f"altitude datum is {frame['altitude_datum']!r}; X-Plane counts from mean sea level (msl)"
    if frame["earth_model"] != "wgs84":
        return f"earth model is {frame['earth_model']!r}; X-Plane flies over WGS84"
    if any(frame.get(name) for name in ("k1", "k2", "k3")):
        return "the camera bends lines (k1, k2, k3); X-Plane draws them straight"
    if abs(frame["fx_px"] / frame["fy_px"] - 1) > 1e-6:
        return f"focal lengths {frame['fx_px']:g} and {frame['fy_px']:g} px; X-Plane's pixels are square"
    if (frame["cx_px"], frame["cy_px"]) != (frame["width_px"] / 2, frame["height_px"] / 2):
        return f"principal point {frame['cx_px']:g}, {frame['cy_px']:g} px is not the middle of the picture"
    return None
