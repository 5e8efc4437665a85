"""LARD scenario YAML, written for LARD's own readers."""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from lard.errors import DataError
from lard.scenario.formats_model import CLOCK, POSE_NUMBERS, SAME_ANGLE_DEG, Scenario, other_fov_deg
from lard.tables import write_text

_ANGLES = ("alpha_h", "alpha_v", "yaw", "pitch", "roll")

V2_TRAJECTORY: dict[str, Any] = {
    **{f"{angle}_distrib": "normal" for angle in _ANGLES},
    **{f"{angle}_{bound}": None for angle in _ANGLES for bound in ("min", "max")},
    "use_ODD": False,
}
"""What LARD V2's labeller looks for in a trajectory, as it is put where a scenario states none of it."""


def write_yaml_scenario(scenario: Scenario, path: str | Path, layout: str) -> None:
    """Write a scenario as LARD "v1" or "v2" YAML; V1 holds one airport and square pixels."""
    image = scenario.image
    targets = dict(scenario.airports_runways) or _targets_of(scenario)
    named = scenario.poses.with_columns(pl.Series("pose_id", uuids(scenario), dtype=pl.String))
    poses = [_pose_block(row, layout) for row in named.iter_rows(named=True)]
    common = {"runways_database": scenario.runways_database}
    if layout == "v2":
        document: dict[str, Any] = {
            "airports_runways": targets,
            "image": {
                "height": image.height_px,
                "width": image.width_px,
                "fov_x": image.fov_x_deg,
                "fov_y": image.fov_y_deg,
                "watermark_height": image.watermark_px,
            },
            "poses": poses,
            **common,
            "trajectory": {**V2_TRAJECTORY, **scenario.trajectory},
            "time": dict(scenario.time_window) or _window(scenario),
        }
    else:
        if len(targets) != 1:
            raise DataError(
                f"{scenario.name}: {len(targets)} airports ({', '.join(targets)}); LARD V1 scenarios hold "
                "one, write V2 or split them"
            )
        square = other_fov_deg(image.fov_y_deg, image.height_px, image.width_px)
        if abs(square - image.fov_x_deg) > SAME_ANGLE_DEG:
            raise DataError(
                f"{scenario.name}: fov {image.fov_x_deg:g} x {image.fov_y_deg:g} degrees at {image.width_px} "
                f"x {image.height_px} px has no square pixels; LARD V1 cannot state that, write V2"
            )
        ((airport, runways),) = targets.items()
        document = {
            "airport": airport,
            "image": {
                "fov": image.fov_y_deg,
                "height": image.height_px,
                "watermark_height": image.watermark_px,
                "width": image.width_px,
            },
            "poses": poses,
            "runways": runways,
            **common,
            "time": dict(sorted((scenario.time_window or _window(scenario)).items())),
            "trajectory": dict(sorted(scenario.trajectory.items())),
        }
    write_text("\n".join(_emit(document, 0)) + "\n", path)


def uuids(scenario: Scenario) -> list[str]:
    """Ids of the poses; one that states none gets one made of its picture's name, the same every time."""
    return [
        told or str(uuid.uuid5(uuid.NAMESPACE_OID, name))
        for told, name in zip(scenario.poses["pose_id"], scenario.frame_ids, strict=True)
    ]


def _targets_of(scenario: Scenario) -> dict[str, list[str]]:
    pairs = scenario.poses.select("airport", "runway").unique().sort("airport", "runway")
    targets: dict[str, list[str]] = {}
    for airport, runway in pairs.iter_rows():
        targets.setdefault(airport, []).append(runway)
    return targets


def _window(scenario: Scenario) -> dict[str, int]:
    bounds: dict[str, int] = {}
    for name in sorted(CLOCK):
        column = scenario.poses[name].to_list()
        bounds |= {f"{name}_max": max(column), f"{name}_min": min(column)}
    return bounds


def _pose_block(row: Mapping[str, Any], layout: str) -> dict[str, Any]:
    block = {
        "uuid": row["pose_id"],
        "airport": row["airport"],
        "pose": [row[name] for name in POSE_NUMBERS],
        "runway": row["runway"],
        "time": {name: row[name] for name in reversed(CLOCK)},
    }
    order = ("uuid", "airport", "runway", "pose", "time") if layout == "v2" else tuple(block)[1:]
    return {key: block[key] for key in order}


def _emit(value: Any, indent: int) -> list[str]:
    """Lines of a block of mappings, lists and scalars that YAML 1.1 and 1.2 read alike."""
    pad, lines = " " * indent, []
    if isinstance(value, Mapping):
        for key, item in value.items():
            if isinstance(item, Mapping | list) and item:
                inner = indent if isinstance(item, list) else indent + 2
                lines += [f"{pad}{_scalar(key)}:", *_emit(item, inner)]
            else:
                lines.append(f"{pad}{_scalar(key)}: {_scalar(item)}")
    else:
        for item in value:
            block = _emit(item, indent + 2) if isinstance(item, Mapping) else [f"{pad}  {_scalar(item)}"]
            lines += [f"{pad}- {block[0].lstrip()}", *block[1:]]
    return lines


def _scalar(value: Any) -> str:
    if isinstance(value, Mapping | list):
        return "{}" if isinstance(value, Mapping) else "[]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        if not math.isfinite(value):
            raise DataError(f"a scenario cannot hold the number {value}")
        text = repr(value)
        mantissa, exponent, power = text.partition("e")
        return text if not exponent or "." in mantissa else f"{mantissa}.0e{power}"
    if isinstance(value, int):
        return str(value)
    text = str(value)
    plain = re.fullmatch(r"[A-Za-z_/][\w/.\-]*", text) and text.lower() not in _RESERVED
    return text if plain else "'" + text.replace("'", "''") + "'"


_RESERVED = {"yes", "no", "on", "off", "true", "false", "null", "y", "n"}
