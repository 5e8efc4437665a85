"""Scenarios labelled by a convention: our exact one, or LARD V1's or V2's as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from lard.airports import RunwayDatabase, normalise_ident
from lard.airports.files import SHIPPED, open_database
from lard.airports.lardjson import LardEntry, left_of_axis, read_lard_entries
from lard.errors import AirportError, DataError
from lard.labels.lard_v1 import SphereCameras, label_v1
from lard.labels.lard_v2 import label_v2
from lard.labels.occlusion import Terrain, TerrainByAirport
from lard.labels.pixels import labels_of_pixels
from lard.labels.spread import Labeller
from lard.labels.verdict import assume
from lard.odd import OddSpec
from lard.odd.parameters import PARAMETERS
from lard.scenario.formats import frames_of_scenario
from lard.scenario.formats_camera import StudioCamera
from lard.scenario.formats_model import Scenario

CONVENTIONS = ("exact", "lard-v1", "lard-v2")
FOOTAGE_SUFFIXES = (".jpeg", ".png", ".jpg")


@dataclass(frozen=True, slots=True)
class Labelled:
    """Labels of a scenario, in the convention's row order, with what the convention left out."""

    labels: pl.DataFrame  # LABELS
    size_px: tuple[int, int]  # width and height the labels count in
    notes: list[str] = field(default_factory=list)


def label_exact(
    scenario: Scenario,
    db: RunwayDatabase,
    spec: OddSpec,
    *,
    earth: str,
    timezone: str = "solar",
    images: Sequence[str] = (),
    terrain: Terrain | TerrainByAirport | None = None,
    stated: Mapping[str, str] | None = None,
    told: pl.DataFrame | None = None,
) -> Labelled:
    """Label a scenario rigorously; the picture is the rendered one, watermark bands included.

    The spec may ask for an environment that scenarios do not tell: `told` is the frames table it was made
    of, row for row, `stated` values for all.
    """
    frames = frames_of_scenario(scenario, db, spec=spec, earth=earth, timezone=timezone)
    if told is not None:
        known = [
            name for name in told.columns if name in PARAMETERS and PARAMETERS[name].group == "environment"
        ]
        frames = frames.with_columns(told.select(known))
    frames = assume(frames, stated or {})
    labels = Labeller(db, spec, terrain)(frames)
    named = dict(zip(scenario.frame_ids, images or [""] * len(frames), strict=True))
    labels = labels.with_columns(image=pl.col("frame_id").replace_strict(named, return_dtype=pl.String))
    return Labelled(labels, (scenario.image.width_px, scenario.image.rendered_height_px))


def label_as_v2(
    scenario: Scenario, runways: str | Path, *, swap: bool = True, images: Sequence[str] = ()
) -> Labelled:
    """Label a scenario as LARD V2 does; with `swap` its exchange of width and height too."""
    entries = lard_entries(runways)
    image = scenario.image
    rows = label_v2(
        scenario.poses,
        entries,
        width_px=image.width_px,
        height_px=image.height_px,
        fov_x_deg=image.fov_x_deg,
        fov_y_deg=image.fov_y_deg,
        trajectory=scenario.trajectory,
        swap=swap,
    )
    known = {entry.airport for entry in entries}
    absent = scenario.poses.filter(~pl.col("airport").is_in(list(known)))
    notes = [
        f"{len(part)} poses left out: airport {part['airport'][0]} is not in {runways}"
        for part in absent.partition_by("airport", maintain_order=True)
    ]
    order = ("TL", "TR", "BR", "BL")
    corners = np.stack([rows.select(f"x_{c}", f"y_{c}").to_numpy() for c in order], axis=1).astype(float)
    columns = _columns(scenario, rows, images) | {
        "runway": rows["runway"],
        "is_target": _is_target(scenario, rows),
        "verdict": rows["verdict"],
        "runway_db": Path(runways).stem,
        "runway_db_version": "",
        "earth_model": "lard-v2-flat",
    }
    size = (image.width_px, image.height_px)
    return Labelled(labels_of_pixels(corners, _sizes(size, len(rows)), columns), size, notes)


def label_as_v1(
    scenario: Scenario,
    runways: str | Path,
    *,
    camera: StudioCamera | None = None,
    images: Sequence[str] = (),
    all_rows: bool = False,
) -> Labelled:
    """Label a scenario as LARD V1 does, by Earth Studio's camera track when there is one.

    Pictures that V1 leaves out are left out and noted, unless `all_rows`.
    """
    image = scenario.image
    size = (image.width_px, image.rendered_height_px)
    if camera is None:
        cameras = SphereCameras.of_poses(scenario.poses, image.rendered_fov_y_deg, *size)
    else:
        if len(camera) != len(scenario.poses):
            raise DataError(
                f"{scenario.name}: the camera track has {len(camera)} frames, the scenario "
                f"{len(scenario.poses)} poses; export both from the same project"
            )
        size = (camera.width_px, camera.height_px)
        rotation = np.swapaxes(camera.ecef_from_cam, 1, 2)
        cameras = SphereCameras(camera.position_ecef, rotation, camera.fov_y_deg, *size)
    entries = lard_entries(runways)
    rows = label_v1(scenario.poses, cameras, entries)
    targets = scenario.poses["airport", "runway"]
    rows = rows.with_columns(runway=targets["runway"], airport=targets["airport"])
    notes = []
    if not all_rows:
        names = [scenario.frame_ids[k] for k in rows.filter(~pl.col("kept"))["pose"]]
        if names:
            notes = [
                f"{len(names)} pictures left out, a corner lies outside: {', '.join(names[:5])}" + " ..."
            ]
        rows = rows.filter("kept")
    sides = {(e.airport, e.ident): _letters(e) for e in entries}
    letters = [sides[key] for key in rows.select("airport", "runway").iter_rows()]
    lettered = np.stack([rows.select(f"x_{c}", f"y_{c}").to_numpy() for c in "ABCD"], axis=1).astype(float)
    order = np.array(letters, int).reshape(-1, 4)
    corners = np.take_along_axis(lettered, order[:, :, None], axis=1)
    columns = _columns(scenario, rows, images) | {
        "runway": rows["runway"],
        "is_target": True,
        "verdict": "UNKNOWN",
        "runway_db": Path(runways).stem,
        "runway_db_version": "",
        "earth_model": "sphere6371010",
    }
    return Labelled(labels_of_pixels(corners, _sizes(size, len(rows)), columns), size, notes)


def _letters(entry: LardEntry) -> tuple[int, int, int, int]:
    """Places of TL, TR, BR, BL among A, B, C, D, by geometry: V1 mixes left and right."""
    left = left_of_axis(entry.coordinate)
    far = (0, 1) if left[0] else (1, 0)
    near = (3, 2) if left[2] else (2, 3)
    return (*far, *near)


def lard_entries(runways: str | Path) -> list[LardEntry]:
    """Runway directions in LARD's letters: of a LARD JSON as stated there, else of any runway database."""
    if str(runways) != SHIPPED and Path(runways).suffix.lower() == ".json":
        return read_lard_entries(runways)
    entries = []
    for airport in open_database(runways).airports.values():
        for runway in airport.runways:
            tl, tr, br, bl = runway.corners
            entries.append(LardEntry(airport.icao, runway.ident, np.array([tr, tl, bl, br]), None))
    return entries


def _columns(scenario: Scenario, rows: pl.DataFrame, images: Sequence[str]) -> dict[str, Any]:
    """Columns of LABELS that follow from the pose of each row and from its metrics."""
    index = rows["pose"].to_numpy()
    names = np.array(scenario.frame_ids, object)
    shown = np.array(images or [""] * len(names), object)
    runway_free = {"along_track_m": "along_m"}
    metrics = ("along_track_m", "lateral_deg", "vertical_deg", "yaw_offset_deg", "slant_m", "height_m")
    stated = {name: runway_free.get(name, name) for name in metrics}
    return {
        "frame_id": pl.Series(names[index], dtype=pl.String),
        "image": pl.Series(shown[index], dtype=pl.String),
        "airport": scenario.poses["airport"].gather(index),
        **{name: rows[column] if column in rows.columns else None for name, column in stated.items()},
    }


def _is_target(scenario: Scenario, rows: pl.DataFrame) -> list[bool]:
    """Whether a row's strip is the one its pose names, in either direction and any spelling."""
    named = scenario.poses["runway"].gather(rows["pose"])
    cache: dict[str, frozenset[str]] = {}

    def strip(ident: str) -> frozenset[str]:
        if ident not in cache:
            cache[ident] = _both_directions(ident)
        return cache[ident]

    return [strip(a) == strip(b) for a, b in zip(named, rows["runway"], strict=True)]


def _both_directions(ident: str) -> frozenset[str]:
    try:
        one = normalise_ident(ident)
    except AirportError:  # LARD V2 pairs 18C with 00C
        return frozenset({ident})
    number, side = int(one[:2]), one[2:]
    other = f"{(number + 17) % 36 + 1:02d}{ {'L': 'R', 'R': 'L'}.get(side, side) }"
    return frozenset({one, other})


def _sizes(size: tuple[int, int], n: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.broadcast_to(np.array(size, np.int64), (n, 2))


def find_footage(path: str | Path, scenario: Scenario) -> list[str]:
    """Paths, relative to a scenario's folder, of the pictures in its footage/ folder; [] when there is none.

    DataError when there are not as many pictures as poses.
    """
    folder = Path(path).parent / "footage"
    if not folder.is_dir():
        return []
    present = sorted(p.name for p in folder.iterdir() if p.suffix.lower() in FOOTAGE_SUFFIXES)
    if len(present) != len(scenario.poses):
        raise DataError(
            f"{folder}: {len(present)} pictures for {len(scenario.poses)} poses; render the missing "
            "ones or cut the scenario"
        )
    digits = len(str(max(len(scenario.poses) - 1, 0)))
    found, missing = [], []
    for k in range(len(scenario.poses)):
        # GeoFlight-Replay always writes three digits
        stems = [f"{scenario.name}_{k:0{digits}d}", f"{scenario.name}_{k:03d}"]
        names = [stem + suffix for stem in stems for suffix in FOOTAGE_SUFFIXES]
        hit = next((name for name in names if name in present), None)
        found.append(f"footage/{hit}")
        missing += [] if hit else [stems[0]]
    if missing:
        raise DataError(
            f"{folder}: no picture called {missing[0]}.jpeg, .png or .jpg ({len(missing)} missing)"
        )
    return found
