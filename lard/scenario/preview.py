"""An ODD in pictures: the approach cone, its laws against a sample, where runways fall in the picture."""

from __future__ import annotations

import html
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.airports.model import RunwayDatabase
from lard.camera import Poses, project, to_camera
from lard.errors import SpecError
from lard.odd.parameters import APPROACH
from lard.odd.realised import Realised, realised, realised_text
from lard.odd.show import describe
from lard.odd.spec import OddSpec
from lard.scenario.methods import laws_of
from lard.scenario.sampler import sample
from lard.tables import atomic_path, write_text
from lard.written import MARK, keep_picture, keep_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

FORMATS = (".html", ".png", ".svg")
_COLOURS = ("#0b6e99", "#d9822b", "#3a7d44", "#8e4585", "#7a5c3d", "#444444")
_TITLES = {
    "along_track_m": "distance before the threshold (m)",
    "lateral_deg": "right of the centreline (deg)",
    "vertical_deg": "above the runway (deg)",
    "yaw_offset_deg": "heading against the runway's (deg)",
    "pitch_deg": "pitch (deg)",
    "roll_deg": "roll (deg)",
}


def write_preview(
    spec: OddSpec,
    db: RunwayDatabase,
    airports: Iterable[str],
    path: str | Path,
    n: int = 1500,
    seed: int = 0,
    method: str = "sobol",
) -> list[Realised]:
    """Draw a sample of the spec and write its preview as one HTML, PNG or SVG file that needs no network.

    Returns what the spec declares against what the sample holds, which the HTML shows too.
    """
    path = Path(path)
    if path.suffix not in FORMATS:
        raise SpecError(
            f"{path}: unknown picture format {path.suffix!r}; expected one of {', '.join(FORMATS)}"
        )
    if path.suffix == ".png":
        keep_picture(path)
    else:
        keep_text(path, "a page that lard drew", MARK)
    frames = sample(spec, db, airports, n, seed, method=method)
    found = realised(spec, frames, {zone.name: laws_of(zone, method) for zone in spec.zones})
    figure = draw_figure(spec, frames, target_boxes(db, frames, spec))
    if path.suffix == ".html":
        write_text(_page(spec, frames, method, found, _svg(figure)), path)
    elif path.suffix == ".svg":
        write_text(_svg(figure), path)
    else:
        with atomic_path(path) as temporary:
            figure.savefig(temporary, format="png", dpi=80, metadata={"Software": MARK})
    return found


def target_boxes(db: RunwayDatabase, frames: pl.DataFrame, spec: OddSpec) -> Array:
    """Boxes (n, 4) x_min, y_min, x_max, y_max in pixels of the runways approached; NaN out of the picture."""
    boxes = np.full((len(frames), 4), np.nan)
    rows = frames.with_row_index("row").partition_by("airport", "runway", maintain_order=True)
    size = np.array([spec.camera.width_px, spec.camera.height_px], float)
    for part in rows:
        runway = db.airport(part["airport"][0]).runway(part["runway"][0])
        pixels = project(to_camera(runway.corners_ecef(), Poses.from_frames(part)), spec.camera)
        clipped = np.clip(pixels, 0, size)
        box = np.concatenate([np.fmin.reduce(clipped, axis=1), np.fmax.reduce(clipped, axis=1)], axis=1)
        empty = ~((box[:, 2:] - box[:, :2]) > 0).all(axis=1)
        box[empty] = np.nan
        boxes[part["row"].to_numpy()] = box
    return boxes


def draw_figure(spec: OddSpec, frames: pl.DataFrame, boxes: Array) -> Figure:
    """All panels in one figure."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 17), layout="constrained")
    grid = figure.add_gridspec(5, 6, height_ratios=(1.0, 1.0, 0.75, 0.75, 1.25))
    _cone(figure.add_subplot(grid[0, :]), spec, frames, "vertical_deg")
    _cone(figure.add_subplot(grid[1, :]), spec, frames, "lateral_deg")
    for k, name in enumerate(APPROACH):
        axes = figure.add_subplot(grid[2 + k // 3, 2 * (k % 3) : 2 * (k % 3) + 2])
        _law(axes, spec, frames, name)
    _positions(figure.add_subplot(grid[4, :2]), spec, frames, boxes)
    _sizes(figure.add_subplot(grid[4, 2:4]), spec, frames, boxes)
    _headings(figure.add_subplot(grid[4, 4:], projection="polar"), frames)
    return figure


def _zones(spec: OddSpec, frames: pl.DataFrame) -> list[tuple[int, str, str, NDArray[np.bool_]]]:
    """Index, name, colour and rows of each zone."""
    return [
        (k, zone.name, _COLOURS[k % len(_COLOURS)], (frames["zone"] == zone.name).to_numpy())
        for k, zone in enumerate(spec.zones)
    ]


def _cone(axes: Axes, spec: OddSpec, frames: pl.DataFrame, angle: str) -> None:
    """Side (vertical_deg) or top (lateral_deg) view: limits by level and the sample."""
    side = angle == "vertical_deg"
    apex = spec.vertical_apex_m if side else spec.lateral_apex_m
    column = APPROACH.index(angle)
    along = frames["along_track_m"].to_numpy()
    offset = (along + apex) * np.tan(np.radians(frames[angle].to_numpy()))
    for k, name, colour, rows in _zones(spec, frames):
        for level, alpha in (("extended", 0.08), ("in", 0.15), ("nominal", 0.25)):
            (near, far), (lo, hi) = spec.limits(level)[k][0], spec.limits(level)[k][column]
            x = np.array([near, far])
            edges = [(x + apex) * np.tan(np.radians(angle_deg)) for angle_deg in (lo, hi)]
            axes.fill_between(x, *edges, color=colour, alpha=alpha, linewidth=0)
        axes.plot(along[rows], offset[rows], ".", color=colour, markersize=2.5, label=name)
    axes.plot([0, -2500], [0, 0], color="black", linewidth=4, solid_capstyle="butt")
    axes.plot([-apex], [0], "v" if side else ">", color="black", markersize=6)
    axes.set_xlabel("metres before the landing threshold (the mark: the point the angle is seen from)")
    axes.set_ylabel("height (m)" if side else "right of the centreline (m)")
    axes.set_title(f"{'Side' if side else 'Top'} view: nominal, in and extended limits, sample")
    axes.invert_xaxis()
    if side:
        axes.set_ylim(bottom=min(0.0, float(np.nanmin(offset)) * 1.1))
    axes.legend(loc="upper right", markerscale=4)
    axes.grid(alpha=0.3)


def _law(axes: Axes, spec: OddSpec, frames: pl.DataFrame, name: str) -> None:
    """Histogram of the sample per zone, and the share per bin that the law declares."""
    for _, zone, colour, rows in _zones(spec, frames):
        law = spec.zone(zone).laws[name]
        if law.lo == law.hi or not rows.any():
            continue
        edges = np.linspace(law.lo, law.hi, 25)
        values = frames[name].to_numpy()[rows]
        axes.hist(
            values, edges.tolist(), weights=np.full(len(values), 1 / len(values)), color=colour, alpha=0.35
        )
        axes.stairs(np.diff(law.cdf(edges)), edges, color=colour, linewidth=1.4)
    axes.set_title(_TITLES[name], fontsize=10)
    axes.set_yticks([])
    axes.set_ylabel("share (bars) and law (line)", fontsize=7)


def _positions(axes: Axes, spec: OddSpec, frames: pl.DataFrame, boxes: Array) -> None:
    """Centres of the visible part of the runway approached, in the picture."""
    seen = ~np.isnan(boxes[:, 0])
    for _, name, colour, rows in _zones(spec, frames):
        part = boxes[rows & seen]
        axes.plot(
            (part[:, 0] + part[:, 2]) / 2, (part[:, 1] + part[:, 3]) / 2, ".", color=colour, ms=3, label=name
        )
    axes.set_xlim(0, spec.camera.width_px)
    axes.set_ylim(spec.camera.height_px, 0)
    axes.set_aspect("equal")
    share = 1 - seen.mean() if len(seen) else 0.0
    axes.set_title(f"Box centres in the picture ({share:.1%} out of it)", fontsize=10)


def _sizes(axes: Axes, spec: OddSpec, frames: pl.DataFrame, boxes: Array) -> None:
    """Shorter side of the box of the runway approached."""
    side = np.fmin(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    edges = np.geomspace(1, max(spec.camera.width_px, spec.camera.height_px), 41)
    for _, name, colour, rows in _zones(spec, frames):
        values = side[rows & ~np.isnan(side)]
        if len(values):
            axes.hist(np.clip(values, 1, None), edges.tolist(), color=colour, alpha=0.5, label=name)
    axes.axvline(8, color="black", linestyle=":", linewidth=1)
    axes.set_xscale("log")
    axes.set_xlabel("shorter side of the box (px); dotted: 8 px")
    axes.set_title("Box sizes", fontsize=10)
    axes.legend(loc="upper right")


def _headings(axes: Any, frames: pl.DataFrame) -> None:
    """Frames by true heading."""
    edges = np.radians(np.arange(0, 361, 30))
    counts, _ = np.histogram(np.radians(frames["yaw_deg"].to_numpy()), edges)
    axes.bar(edges[:-1] + np.radians(15), counts, width=np.radians(28), color="#0b6e99", alpha=0.7)
    axes.set_theta_zero_location("N")
    axes.set_theta_direction(-1)
    axes.set_yticklabels([])
    axes.set_title(f"Headings, {frames['airport'].n_unique()} airports", fontsize=10)


def _svg(figure: Figure) -> str:
    """The figure as SVG with the same bytes each time."""
    import matplotlib

    stream = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "lard", "svg.fonttype": "none"}):
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": MARK})
    return stream.getvalue()


def _page(spec: OddSpec, frames: pl.DataFrame, method: str, found: Sequence[Realised], svg: str) -> str:
    inline = svg[svg.index("<svg") :]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="generator" content="{MARK}">'
        f"<title>ODD {html.escape(spec.name)}</title>\n"
        "<style>body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:1100px;padding:0 1em;"
        "color:#222}pre{background:#f4f4f2;padding:1em;overflow:auto;font-size:12px}"
        "svg{width:100%;height:auto}</style></head><body>\n"
        f"<h1>ODD {html.escape(spec.name)} {html.escape(spec.version)}</h1>\n"
        f"<p>{html.escape(spec.description)}</p>\n<pre>{html.escape(describe(spec))}</pre>\n"
        f"<p>{len(frames)} frames drawn with the method <code>{method}</code>; "
        "declared laws against what they hold:</p>\n"
        f"<pre>{html.escape(chr(10).join(realised_text(found)))}</pre>\n"
        f"{inline}\n</body></html>\n"
    )
