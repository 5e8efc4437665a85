"""A dataset in LARD's own layout: images/ and a label table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from lard.errors import DataError
from lard.export.common import LabelledFolder, place_image, staged_folder
from lard.export.lard_csv import lard_table, write_lard_csv
from lard.scenario.formats import scenario_of_frames

_NEEDED = (
    "lat_deg", "lon_deg", "alt_m", "yaw_deg", "pitch_deg", "roll_deg", "fx_px", "fy_px", "cx_px", "cy_px",
    "time_utc",
)  # fmt: skip


TYPES = {
    "flightgear": "flight_simulator",
    "msfs": "flight_simulator",
    "xplane": "xplane",
    "ges": "earth_studio",
    "earth_studio": "earth_studio",
    "real": "real",
}
"""LARD's column `type` by the source a manifest names; other sources are called by their own name."""


def type_of_pictures(dataset: LabelledFolder) -> str:
    """What LARD's column `type` says of a dataset's pictures, by the source that its manifest names."""
    if dataset.manifest is None:
        raise DataError(
            f"{dataset.folder / 'manifest.parquet'}: no such file: nothing says where the pictures are from; "
            "state it with --type"
        )
    return type_of_sources(dataset.manifest["source"].to_list(), str(dataset.folder))


def type_of_sources(names: Sequence[str | None], where: str) -> str:
    """LARD's word for pictures of the sources that a manifest names; they must be of one."""
    sources = sorted({name or "unknown" for name in names})
    if len(sources) != 1:
        raise DataError(
            f"{where}: pictures of {len(sources)} sources ({', '.join(sources)}); LARD's table has "
            "one type here, state it with --type"
        )
    return TYPES.get(sources[0].lower(), sources[0])


def write_lard_folder(
    dataset: LabelledFolder,
    out: str | Path,
    version: str,
    *,
    image_type: str = "",
    timezone: str = "solar",
    lateral_apex_m: float = 0.0,
) -> tuple[int, int]:
    """Write images/ and dataset.csv; return its number of rows and of labels it cannot hold.

    Without an `image_type` the column `type` follows from the manifest's source.
    """
    if dataset.frames.select("width_px", "height_px").n_unique() > 1:
        raise DataError(f"{dataset.folder}: pictures of several sizes; export each size by itself")
    known = pl.all_horizontal(pl.col(name).is_not_null() for name in _NEEDED)
    without = dataset.frames.filter(~known)["frame_id"]
    if len(without):
        raise DataError(
            f"{dataset.folder}: {len(without)} frames have no pose, camera or time (first {without[0]}), as "
            "LARD's table wants; export them as coco, yolo or huggingface"
        )
    scenario = scenario_of_frames(dataset.frames, dataset.folder.name, timezone)
    size = (scenario.image.width_px, scenario.image.height_px)
    table, left_out = lard_table(
        dataset.labels,
        scenario,
        size,
        version,
        frame_ids=dataset.frames["frame_id"].to_list(),
        image_type=image_type or type_of_pictures(dataset),
        scenario_name=scenario.name,
        lateral_apex_m=lateral_apex_m,
    )
    with staged_folder(out) as folder:
        for name in dataset.frames["frame_id"]:
            place_image(dataset.image_path(name), folder / "images" / f"{name}.jpg")
        write_lard_csv(table, folder / "dataset.csv")
    return len(table), left_out
