"""One runway before one detector, explained: every method's map and the numbers that judge it.

What is done of it is kept in a folder under a key of all it rests on, so that an interrupted run goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lard.assurance.certified_masks import certified_shares
from lard.assurance.counterfactual import Counterfactual, counterfactual
from lard.assurance.deletion import curves_of
from lard.assurance.heatmaps import panel
from lard.assurance.methods import BY_GRADIENT, CONTROL, METHODS, Floats, Heat, MapPlan, noise_map
from lard.assurance.pointing import alignment, likeness, pointed, pooled
from lard.assurance.reach import receptive_margins
from lard.assurance.view import Sight, View, view_of
from lard.detect.data import Picture
from lard.files import atomic_path, frame_rng, write_json
from lard.robust.kept import read_arrays, write_arrays
from lard.robust.unit import Target, kept_json, opened, whole

PANEL = "panel.png"
"""A unit's maps and counterfactual to look at, in its folder."""
NOISE = 0.01
"""Deviation of the noise, pixels in [0, 1], under which a map is to stay what it is."""


@dataclass(frozen=True, slots=True)
class ExplainPlan:
    """What is asked of every runway."""

    methods: tuple[str, ...]
    maps: MapPlan
    seed: int
    farthest_px: int | None = None  # beyond which a plain model's pixels are not looked at; None: all


@dataclass(frozen=True, slots=True, eq=False)
class Unit:
    """One runway of a picture before one detector, and the folder that keeps what is done."""

    plan: ExplainPlan
    target: Target
    picture: Picture
    runway: int  # among the required ones
    folder: Path
    shows: bool


@dataclass(frozen=True, slots=True, eq=False)
class Explained:
    """The numbers of a unit, and its maps on the grid on which they are compared."""

    row: dict[str, Any]
    maps: dict[str, Floats]


_SIGHTS: dict[tuple[Path, float, int | None], Sight] = {}


def sight_of(target: Target, farthest_px: int | None) -> Sight:
    """A detector that is explained, opened once."""
    key = (target.file, target.score, farthest_px)
    if key not in _SIGHTS:
        loaded = opened(target.file)
        margins = receptive_margins(loaded.net)
        if farthest_px is not None and loaded.bound is None:  # certificates need all that can matter
            margins = tuple(min(margin, farthest_px) for margin in margins)
        _SIGHTS[key] = Sight(loaded.net, loaded.bound, target.score, margins)
    return _SIGHTS[key]


def explain(unit: Unit) -> Explained:
    """Numbers and maps of a unit, made or read."""
    torch.set_num_threads(1)  # the same sums however many processes run
    done, kept, drawn = (unit.folder / name for name in ("done.json", "maps.npz", PANEL))
    row, maps = kept_json(done, "image_id", "methods"), _read_maps(kept, unit.plan.methods)
    if row is None or maps is None or (unit.shows and not whole(drawn)):
        row, maps = _explained(unit, drawn)
        _write_maps(maps, kept)
        write_json(row, done)
    return Explained(row, maps)


def _explained(unit: Unit, drawn: Path) -> tuple[dict[str, Any], dict[str, Floats]]:
    plan, picture = unit.plan, unit.picture
    key = f"{picture.image_id}/{unit.runway}"
    shift = frame_rng(plan.seed, f"{key}/field").uniform(-1, 1, 2)
    view = view_of(sight_of(unit.target, plan.farthest_px), picture, unit.runway, shift)
    turned = counterfactual(view)
    heats: dict[str, Heat] = {}
    rows = {}
    for name in (*plan.methods, CONTROL):
        rng = frame_rng(plan.seed, f"{key}/{name}")
        make = METHODS.get(name, noise_map)
        heats[name] = heat = make(view, view.pixels, plan.maps, rng)
        rows[name] = _judged(view, heat, turned, plan.maps)
        if name in BY_GRADIENT:
            noisy = _noisy(view.pixels, frame_rng(plan.seed, f"{key}/noise"))
            again = make(view, noisy, plan.maps, frame_rng(plan.seed, f"{key}/{name}"))
            rows[name]["stability"] = likeness(pooled(heat.values), pooled(again.values))
    if unit.shows:
        title = f"{unit.target.name}, picture {picture.image_id}"
        with atomic_path(drawn) as temporary:
            panel(view, {name: heats[name] for name in plan.methods}, turned, title).save(temporary, "PNG")
    row = {**_about(unit, view), "counterfactual": _turned(view, turned), "methods": rows}
    return row, {name: pooled(heat.values) for name, heat in heats.items()}


def _about(unit: Unit, view: View) -> dict[str, Any]:
    """Which runway it is, and how it stands with the detector."""
    picture, field = unit.picture, view.field
    info = picture.info
    box = picture.boxes[~picture.ignored][unit.runway]
    pixels, rows = view.pixels, view.field.cut(view.pixels)
    fill = field.fill(pixels)
    alone = field.put(rows, fill.expand_as(pixels))
    with torch.no_grad():
        clean, flat, only = (
            float(view.score(one)[0]) for one in (pixels, field.put(fill.expand_as(rows), pixels), alone)
        )
    rests = clean - flat
    return {
        "image_id": picture.image_id,
        "frame_id": str(info.get("frame_id") or picture.path.stem),
        "airport": info.get("airport"),
        "zone": str(info.get("zone") or "unknown"),
        "width_px": round(float(box[2] - box[0]), 2),
        "height_px": round(float(box[3] - box[1]), 2),
        "window": list(view.window),
        "field": list(field.moved(*view.window[:2]).corners),
        "fires": clean > 0,
        "serving": view.serving,
        "score": clean,
        "cut_off": view.cut_off,
        "rests_on_field": rests,
        "beyond_field": (clean - only) / rests if rests > 1e-6 else None,
    }


def _judged(view: View, heat: Heat, turned: Counterfactual, maps: MapPlan) -> dict[str, Any]:
    """The numbers of one map."""
    seen = pointed(heat, view.field)
    curves = curves_of(view, view.pixels, heat.values, maps.batch)
    areas = curves.areas()
    row: dict[str, Any] = {
        "hit": seen.hit,
        "inside": seen.inside,
        "area": seen.area,
        "lift": seen.lift,
        "within": heat.within,
        "gap": heat.gap,
        "deletion": None if areas is None else areas[0],
        "insertion": None if areas is None else areas[1],
        "masks": certified_shares(curves, view.reach),
        "attack_likeness": None,
        "attack_cosine": None,
    }
    if turned.change is not None:
        change = view.field.cut(turned.change[0]).double().cpu().numpy()
        row["attack_likeness"] = likeness(pooled(heat.values), pooled(np.linalg.norm(change, axis=0)))
        if heat.slope is not None and heat.gap is None:  # an attribution is no direction of the score
            row["attack_cosine"] = alignment(-heat.slope if turned.fired else heat.slope, change)
    return row


def _turned(view: View, turned: Counterfactual) -> dict[str, Any]:
    """The numbers of a counterfactual; how much of its energy lies in the runway, against its area."""
    row: dict[str, Any] = {
        "kind": "silence" if turned.fired else "appear",
        "norm": turned.norm,
        "certificate": turned.certificate,
        "ratio": turned.ratio,
        "inside": None,
        "within": None,
    }
    if turned.change is not None:
        energy = turned.change[0].double().square().sum(dim=0)
        field = view.field.cut(energy).cpu().numpy()
        row["within"] = float(field.sum() / energy.sum())
        row["inside"] = float(field[view.field.runway].sum() / field.sum()) if field.sum() > 0 else None
    return row


def _noisy(pixels: Tensor, rng: np.random.Generator) -> Tensor:
    drawn = rng.standard_normal(tuple(pixels.shape), dtype=np.float32)
    return (pixels + NOISE * torch.from_numpy(drawn).to(pixels.device)).clamp(0, 1)


def _write_maps(maps: Mapping[str, Floats], path: Path) -> None:
    write_arrays(maps, path)


def _read_maps(path: Path, methods: tuple[str, ...]) -> dict[str, Floats] | None:
    """Maps that an earlier run kept; None where there are none, or damaged ones: they are made again."""
    return read_arrays(path, (*methods, CONTROL))
