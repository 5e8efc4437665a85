"""The published LARD datasets: V1's and V2's label tables with the pictures they name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from lard.documents import first_line
from lard.errors import DataError
from lard.intake.lard_csv import LETTERS, sound_lard_csv
from lard.intake.lard_rows import FAR_SIDES, far_out, first_alike, told_rows
from lard.intake.lard_tables import frames_as_stated, rows_as_stated
from lard.intake.sets.model import Imported, airport_faults, frame_ids, frames_of, refuse, split_of
from lard.intake.sets.outlines import REACH_PX
from lard.labels.pixels import labels_of_pixels, ordered_around
from lard.labels.table import CORNERS
from lard.tables import inside

VERSIONS = ("v1", "v2")


def read_lard_set(place: Path, version: str, split: str = "") -> Imported:
    """Read a label table, or every one below a folder; pictures are named relative to their table.

    The split is the one that a table's path names (metadata_ges_train.csv), else `split`. Rows without a
    picture are left out and counted.
    """
    files = _tables(place, version)
    root = place if place.is_dir() else place.parent
    parts, bare, repeats = [], 0, []
    for path in files:
        found = sound_lard_csv(path)
        at = [f"{path}:{line}" for line in found.lines]
        first = first_alike(found.table)
        once = first == np.arange(len(first))
        repeats += [
            f"{at[row]} is line {found.lines[first[row]]} again" for row in np.flatnonzero(~once).tolist()
        ]
        table = found.table.with_columns(pl.Series(_AT, at, dtype=pl.String)).filter(once)
        named = split_of(path.relative_to(root.parent)) or split
        if not named:
            raise DataError(f"{path}: nothing in its name tells its split; give --split")
        bare += int((table["image"] == "").sum())
        table = table.filter(pl.col("image") != "")
        if len(table):
            for image in table["image"].unique().sort():
                inside(image, str(path))
            refuse(path, (f"{path}: {fault}" for fault in airport_faults(table["airport"].unique().sort())))
            folder = str(path.parent)
            parts.append(table.with_columns(split=pl.lit(named), image=folder + "/" + pl.col("image")))
    if not parts:
        raise DataError(
            f"{place}: no row of {len(files)} tables names a picture ({bare} rows are poses only)"
        )
    notes: tuple[str, ...] = (f"{bare} rows name no picture and are left out",) if bare else ()
    notes += tuple(told_rows(repeats, f"{len(repeats)} rows stand there twice and are taken once"))
    return _imported(pl.concat(parts, how="diagonal"), root, version, notes)


def _tables(place: Path, version: str) -> list[Path]:
    files = [place] if place.is_file() else sorted(place.rglob("*.csv")) if place.is_dir() else []
    heads = {path: first_line(path) for path in files}
    sound = [path for path, head in heads.items() if "slant_distance" in head and ";" in head]
    if not sound:
        raise DataError(_no_table(place, heads))
    other = [path for path in sound if ("x_TR" in heads[path]) != (version == "v2")]
    if other:
        right = "lard-v1" if version == "v2" else "lard-v2"
        raise DataError(f"{other[0]}: a table of the other version; import it as {right}")
    return sound


def _no_table(place: Path, heads: dict[Path, str]) -> str:
    """What is said where no file is a label table: which lie there, and what the first lines lack."""
    if not heads:
        return f"{place}: no .csv there; expected a LARD label table, parted by semicolons"
    lines = []
    for path, head in list(heads.items())[:_FILES_TOLD]:
        if "slant_distance" in head:
            mark = "commas" if "," in head else "tabs" if "\t" in head else "something else"
            fault = f"its columns are parted by {mark}; write it with semicolons"
        elif "slant_distance" in head.lower():
            fault = "its columns are named in capitals; name them as LARD does, slant_distance for one"
        else:
            fault = f"its first line has no column slant_distance (it begins with {head[:40]!r})"
        lines.append(f"{path}: no LARD label table: {fault}")
    more = len(heads) - len(lines)
    return "\n".join([*lines, *([f"and {more} more files"] if more else [])])


def _imported(table: pl.DataFrame, root: Path, version: str, notes: tuple[str, ...]) -> Imported:
    paths = [Path(image) for image in table["image"].to_list()]
    ids = frame_ids(paths, root)
    names = pl.Series("frame_id", [ids[path] for path in paths], dtype=pl.String)
    rows = rows_as_stated(table).with_columns(names)
    spread = rows.group_by("frame_id").agg(pl.col("split", "width_px", "height_px").n_unique())
    torn = spread.filter(pl.max_horizontal("split", "width_px", "height_px") > 1)["frame_id"].sort()
    if len(torn):
        raise DataError(
            f"{root}: rows of picture {torn[0]} differ in split or size ({len(torn)} such pictures)"
        )
    frames = frames_of(frames_as_stated(rows, version), "lard")
    sides = tuple(LETTERS) if version == "v1" else CORNERS
    corners = np.stack(
        [rows.select(f"x_{side.lower()}_px", f"y_{side.lower()}_px").to_numpy() for side in sides], axis=1
    ).astype(np.float64)
    known = ~np.isnan(corners).any(axis=(1, 2))
    beyond = (np.abs(corners) > REACH_PX).any(axis=(1, 2))
    far = rows.filter(np.asarray(known & beyond, np.bool_))
    if len(far):
        raise DataError(
            f"{root}: a corner of picture {far['frame_id'][0]} lies beyond {REACH_PX:,.0f} px"
            f" ({len(far)} such rows); expected pixels of the picture"
        )
    approached = dict(frames.select("frame_id", "runway").iter_rows())
    columns = {
        **{name: rows[name] for name in _STATED},
        "image": "images/" + names + ".jpg",
        "is_target": pl.Series(
            [approached[name] == runway for name, runway in zip(names, rows["runway"], strict=True)]
        ),
        "yaw_offset_deg": None,
        "verdict": rows["verdict"].fill_null("UNKNOWN"),
        "runway_db": f"LARD {version.upper()}",
        "runway_db_version": "",
        "earth_model": "sphere6371010" if version == "v1" else "lard-v2-flat",
    }
    size = rows.select("width_px", "height_px").to_numpy().astype(np.int64)
    known_far = far_out(corners, size)
    labels = labels_of_pixels(ordered_around(corners) if version == "v1" else corners, size, columns)
    hidden = (labels["visible_fraction"] == 0).to_numpy()
    for mask, said in (
        (hidden & ~known_far, "rows show nothing of their runway in the picture"),
        (known_far, f"rows have a corner more than {FAR_SIDES:g} picture sizes outside; right only where a"
        " runway passes beside or below the camera"),
    ):  # fmt: skip
        notes += tuple(told_rows(table[_AT].filter(mask).to_list(), f"{int(mask.sum())} {said}"))
    pictures = dict(zip(names, paths, strict=True))
    return Imported(f"lard-{version}", frames, labels.sort("frame_id", "airport", "runway"), pictures, notes)


_AT = "at"  # file and line of a row
_FILES_TOLD = 3
_STATED = (
    "frame_id", "airport", "runway", "along_track_m", "lateral_deg", "vertical_deg", "slant_m", "height_m",
)  # fmt: skip
