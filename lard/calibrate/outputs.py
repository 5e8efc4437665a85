"""What a calibration leaves behind: a correction table, corrected frames, numbers, residuals and a plot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import polars as pl
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lard.airports.corrections import Correction, apply_corrections, read_corrections, write_corrections
from lard.airports.model import RunwayDatabase
from lard.calibrate.measure import KINDS
from lard.calibrate.scene import Scene
from lard.calibrate.solve import Calibration
from lard.camera import Poses, cam_from_ecef
from lard.geodesy import geodetic_from_ecef
from lard.scenario.restate import restated
from lard.tables import staged, write_json, write_parquet

Array = NDArray[np.float64]

_TABLEAU = {"before": "#b0b4ba", "after": "#1f6fb4"}


def decided(calibration: Calibration) -> dict[str, float]:
    """Estimates by parameter; 0 where the prior and not the pictures decided."""
    kept = np.where(calibration.resolved, calibration.theta, 0.0)
    return dict(zip(calibration.parameters, (float(v) for v in kept), strict=True))


def corrections_of(calibration: Calibration, database: RunwayDatabase, source: str) -> list[Correction]:
    """One correction per runway end that the source shows elsewhere; altitudes join the ends' up."""
    values = decided(calibration)
    whole = values.get("altitude_m", 0.0)
    corrections = []
    for icao in sorted(_airports(calibration)):
        lift = whole + values.get(f"{icao}.altitude_m", 0.0)
        for runway in database.airport(icao).runways:
            right, along, up, width = (
                values.get(f"{icao}.{runway.ident}.{name}", 0.0)
                for name in ("right_m", "along_m", "up_m", "width_m")
            )
            heading = np.radians(runway.heading_deg)
            east = right * np.cos(heading) + along * np.sin(heading)
            north = along * np.cos(heading) - right * np.sin(heading)
            if not any((east, north, up + lift, width)):
                continue
            corrections.append(
                Correction(
                    icao, runway.ident, float(east), float(north), float(up + lift),
                    runway.width_m + width if width else None, None, source,
                )
            )  # fmt: skip
    return corrections


def _airports(calibration: Calibration) -> set[str]:
    return {
        name.split(".")[0] for name in calibration.parameters if not name.startswith(("camera", "altitude"))
    }


def corrected_frames(frames: pl.DataFrame, calibration: Calibration) -> pl.DataFrame:
    """Frames with the attitude, field of view and lever arm that the pictures show."""
    value = decided(calibration)
    poses = Poses.from_frames(frames)
    attitude = {
        name: getattr(poses, name) + value.get(f"camera.{name}", 0.0)
        for name in ("yaw_deg", "pitch_deg", "roll_deg")
    }
    turned = Poses(poses.lat_deg, poses.lon_deg, poses.alt_m, **attitude, earth=poses.earth)
    rotation, origin = cam_from_ecef(turned)
    lever = np.array([value.get(f"camera.{name}", 0.0) for name in ("right_m", "down_m", "forward_m")])
    lat, lon, alt = poses.lat_deg, poses.lon_deg, poses.alt_m
    if lever.any():
        lat, lon, alt = geodetic_from_ecef(origin + np.einsum("nij,i->nj", rotation, lever), poses.earth)
    half = np.arctan(frames["width_px"].to_numpy() / 2 / frames["fx_px"].to_numpy())
    zoom = np.tan(half) / np.tan(half + np.radians(value.get("camera.fov_deg", 0.0)) / 2)
    columns: dict[str, Array] = {
        "lat_deg": lat, "lon_deg": lon, "alt_m": alt, **attitude,
        "fx_px": frames["fx_px"].to_numpy() * zoom, "fy_px": frames["fy_px"].to_numpy() * zoom,
    }  # fmt: skip
    return frames.with_columns(**{name: pl.Series(values) for name, values in columns.items()})


FILES = ("calibration.json", "corrections.csv", "frames.parquet", "residuals.parquet", "residuals.png")
OWN_KEYS = ("fits", "residual_px", "parameters")
"""Of a calibration.json, which tells that the files beside it are an earlier run's."""


def summary(calibration: Calibration, source: str) -> dict[str, Any]:
    """Everything found, as plain values for JSON."""
    before, after = np.abs(calibration.before_px), np.abs(calibration.after_px)
    return {
        "source": source,
        "fits": calibration.fits,
        "frames_used": calibration.frames_used,
        "lines": {
            kind: int((calibration.measured.kind == i).sum()) for i, kind in enumerate(KINDS)
        },
        "residual_px": {
            "before": {"median": float(np.median(before)), "p95": float(np.quantile(before, 0.95))},
            "after": {"median": float(np.median(after)), "p95": float(np.quantile(after, 0.95))},
        },
        "parameters": {
            name: {
                "estimate": float(value), "sd": float(sd), "prior_sd": float(prior),
                "decided_by": "pictures" if resolved else "prior",
            }
            for name, value, sd, prior, resolved in zip(
                calibration.parameters, calibration.theta, calibration.sd, calibration.prior_sd,
                calibration.resolved, strict=True,
            )
        },
        "cannot_tell_apart": [list(names) for names in calibration.ambiguous],
    }  # fmt: skip


def write_outputs(
    calibration: Calibration, scene: Scene, frames: pl.DataFrame, database: RunwayDatabase, source: str,
    folder: Path, apexes_m: tuple[float, float] = (0.0, 305.0),
) -> list[Path]:  # fmt: skip
    """Write calibration.json and residuals; corrections.csv and frames.parquet only if it fits.

    Those of an earlier run are removed when this one does not fit. Frames state the approach to the corrected
    runways; apexes_m: how far beyond the threshold its lateral and vertical angles are seen from.
    """
    with staged(folder) as made:
        paths = [made / name for name in FILES]
        write_json(summary(calibration, source), paths[0])
        residuals = _residuals(calibration, scene)
        tables = {paths[3]: residuals}
        if calibration.fits:
            write_corrections(corrections_of(calibration, database, source), paths[1])
            shown = apply_corrections(database, read_corrections(paths[1]))
            tables[paths[2]] = restated(corrected_frames(frames, calibration), shown, *apexes_m)
        for path, table in tables.items():
            write_parquet(table, path)
        _plot(residuals, source, paths[4])
    if not calibration.fits:
        for name in FILES[1:3]:
            (folder / name).unlink(missing_ok=True)
    return [folder / name for name in FILES if (folder / name).is_file()]


def _residuals(calibration: Calibration, scene: Scene) -> pl.DataFrame:
    """A row per line found: its frame, kind, distance and deviation before and after."""
    measured = calibration.measured
    return pl.DataFrame(
        {
            "frame_id": [scene.frame_ids[i] for i in scene.frame[measured.view]],
            "line": [KINDS[i] for i in measured.kind],
            "slant_m": scene.slant_m[measured.view],
            "before_px": calibration.before_px,
            "after_px": calibration.after_px,
        }
    ).sort("frame_id", "line", "before_px")


def _plot(residuals: pl.DataFrame, source: str, path: Path) -> None:
    matplotlib.rcParams["svg.hashsalt"] = "lard"
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    limit = max(float(residuals["before_px"].abs().quantile(0.98) or 1.0), 0.5)
    bins = np.linspace(-limit, limit, 61)
    for name, colour in _TABLEAU.items():
        values = residuals[f"{name}_px"].to_numpy()
        label = f"{name}: median |r| {np.median(np.abs(values)):.2f} px"
        left.hist(np.clip(values, -limit, limit), bins, color=colour, alpha=0.75, label=label)
        right.plot(residuals["slant_m"].to_numpy(), values, ".", color=colour, markersize=3, label=name)
    left.set(xlabel="picture minus projection, px", ylabel="lines", title=f"{source}: runway lines")
    left.legend(frameon=False)
    right.axhline(0, color="k", linewidth=0.6)
    right.set(
        xscale="log", xlabel="slant distance, m", ylabel="px", ylim=(-limit, limit), title="by distance"
    )
    right.legend(frameon=False)
    figure.savefig(path, format="png", dpi=110, metadata={"Software": None})
