"""What a scenario says that another layout has no place for, and what a layout makes up."""

from __future__ import annotations

import polars as pl

from lard.scenario.formats_model import CLOCK, SAME_ANGLE_DEG, Scenario, other_fov_deg, parse_utc
from lard.scenario.formats_yaml_out import V2_TRAJECTORY, uuids

LAYOUTS = {"v1": "LARD V1", "v2": "LARD V2", "esp": "Earth Studio", "frames": "a frames table"}


def losses(scenario: Scenario, layout: str, split: str = "", earth: str = "") -> list[str]:
    """A line for each thing that the target does not hold of a scenario, or makes up.

    `split` and `earth` are those that a frames table gets and nobody asked for.
    """
    lines = []
    poses = scenario.poses
    named = poses["pose_id"].filter(poses["pose_id"] != "")
    if layout in ("v1", "frames") and len(named) and scenario.layout != "frames":
        lines.append(f"pose ids ({named[0]} ...)")
    if layout == "frames":
        lines += [f"{name} ({_shown(block)})" for name, block in _blocks(scenario) if block]
    image = scenario.image
    square_deg = other_fov_deg(image.fov_y_deg, image.height_px, image.width_px)
    if layout == "esp" and abs(square_deg - image.fov_x_deg) > SAME_ANGLE_DEG:
        lines.append(
            f"fov_x {image.fov_x_deg:g} (its pixels are square: pictures show {square_deg:.6g} degrees)"
        )
    if layout == "frames" and image.watermark_px:
        lines.append(f"watermark bands ({image.watermark_px} px each, part of the picture)")
    lost = [f"{LAYOUTS[layout]} holds no {line}; left out" for line in lines]
    if layout != "frames":
        return [*lost, *assumed(scenario), *_made_up(scenario, layout)]
    return [*lost, *assumed(scenario), *_of_tables(split, earth)]


def _blocks(scenario: Scenario) -> list[tuple[str, object]]:
    asked = {airport: sorted(runways) for airport, runways in scenario.airports_runways.items()}
    flown: dict[str, list[str]] = {}
    for airport, runway in scenario.poses.select("airport", "runway").unique().sort("runway").iter_rows():
        flown.setdefault(airport, []).append(runway)
    return [
        ("trajectory block", scenario.trajectory if scenario.layout != "frames" else None),
        ("time window", scenario.time_window),
        ("runways_database", scenario.runways_database),
        ("list of runways asked for", asked if asked != flown else None),
    ]


def _shown(block: object) -> str:
    if isinstance(block, dict):
        return ", ".join(map(str, list(block)[:4])) + (" ..." if len(block) > 4 else "")
    return str(block)


def _of_tables(split: str, earth: str) -> list[str]:
    lines = ["LARD's layouts name no seed and no zone; seed 0 is put, and zones stay empty"]
    if split:
        lines.append(f"LARD's layouts name no split; every frame is put into {split} (--split)")
    if earth:
        lines.append(f"LARD's layouts name no earth model; the poses are put on {earth} (--earth)")
    return lines


def assumed(scenario: Scenario) -> list[str]:
    """A line for each thing that poses and pictures rest on and the file did not state."""
    lines = []
    image = scenario.image
    if scenario.layout == "ges":
        year, month, day, hour, minute, second = scenario.poses.select(*CLOCK).row(0)
        text = f"{year:04d}-{month:02d}-{day:02d} {hour:02d}:{minute:02d}:{second:02d}"
        lines.append(f"a camera track states no time; {text} local is put for all poses")
    if not image.watermark_stated:
        text = f"bands of {image.watermark_px} px as LARD takes it"
        lines.append(f"the scenario states no watermark_height; {text}")
    if not image.fov_y_stated:
        text = f"{image.fov_y_deg:g} degrees (fov_x * width / height) as LARD's generator takes it"
        lines.append(f"the scenario states no fov_y; {text}")
    return lines


def _made_up(scenario: Scenario, layout: str) -> list[str]:
    """Ids and blocks that LARD's own tools look for, where the scenario has none of them."""
    lines = []
    if layout in ("v2", "esp") and scenario.layout == "frames":
        first = scenario.poses["pose_id"][0]
        lines.append(f"a frames table states no pose ids; new ones are made from its frame ids ({first} ...)")
    nameless = int((scenario.poses["pose_id"] == "").sum())
    if layout == "v2" and nameless:
        first = scenario.poses["pose_id"].eq("").arg_max() or 0
        lines.append(
            f"{nameless} of {len(scenario.poses)} poses state no uuid; new ones are made from the names of "
            f"their pictures ({uuids(scenario)[first]} ...)"
        )
    if scenario.layout == "frames":
        lines.append(
            f"{TABLE_TRAJECTORY}, uniform laws and the distances of these frames: LARD V2's labeller judges "
            "by its own domain, whatever spec the frames were drawn from"
        )
    put = [key for key in V2_TRAJECTORY if key not in scenario.trajectory]
    if layout == "v2" and put and scenario.layout != "frames":
        groups = {"_distrib": "normal laws", "_m": "null limits", "use_ODD": "use_ODD false"}
        shown = [text for part, text in groups.items() if any(part in key for key in put)]
        judged = scenario.trajectory.get("use_ODD") or "normal laws" not in shown
        verdict = "" if judged else ", of which LARD V2's labeller makes every verdict UNKNOWN"
        missing = f"its trajectory states no {_shown(dict.fromkeys(put))}" if scenario.trajectory else _NONE
        lines.append(f"{missing}; put as {', '.join(shown)}{verdict}")
    if layout in ("v1", "v2") and not scenario.time_window:
        lines.append("the scenario states no time window; the span of its poses' times is put")
    return lines


_NONE = "the scenario states no trajectory block"
TABLE_TRAJECTORY = "a frames table states no trajectory block; put as use_ODD true"


def lost_seconds(frames: pl.DataFrame) -> str:
    """What is lost of times that lie between whole seconds; "" when none does."""
    between = [
        text for text in frames["time_utc"].drop_nulls().unique().sort() if parse_utc(text).microsecond
    ]
    return f"fractions of seconds ({between[0]})" if between else ""
