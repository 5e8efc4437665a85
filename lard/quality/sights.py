"""Labels of known runways with pose, camera and runway of each: kept once, looked up piece by piece."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.camera import DISTORTION
from lard.quality.columns import CAMERA, POSE, once, posed, with_distortion
from lard.quality.domain import words_of

Array = NDArray[np.float64]
_ROWS_AT_ONCE = 100_000


@dataclass(frozen=True, slots=True)
class LabelGeometry:
    """Pose, camera, runway corners and values of the label rows whose runway is known (m rows).

    Corners, pose and camera are made when asked for: take pieces of many labels.
    """

    rows: NDArray[np.int64]  # (m,) row of each in the labels table
    places: Array  # (k, 4, 3) corners of k runways: latitude deg, longitude deg, altitude m
    place: NDArray[np.int32]  # (m,) which of them each label is of
    views: Mapping[str, Array]  # POSE, CAMERA and DISTORTION (f,) of frames
    earths: NDArray[np.object_]  # (f,) their earth models
    view: NDArray[np.int32]  # (m,) which of them each label is in

    def at(self, chosen: slice | NDArray[Any]) -> LabelGeometry:
        """Some of the labels, by their places 0..m-1."""
        return replace(self, rows=self.rows[chosen], place=self.place[chosen], view=self.view[chosen])

    def pieces(self) -> Iterator[tuple[slice, LabelGeometry]]:
        """All labels, some at a time, and where they are among the m."""
        for start in range(0, len(self.rows), _ROWS_AT_ONCE):
            piece = slice(start, min(start + _ROWS_AT_ONCE, len(self.rows)))
            yield piece, self.at(piece)

    @property
    def corners(self) -> Array:
        """Runway corners (m, 4, 3): latitude deg, longitude deg, altitude m."""
        return self.places[self.place]

    @property
    def pose(self) -> dict[str, Array]:
        """POSE (m,) by name."""
        return {name: self.views[name][self.view] for name in POSE}

    @property
    def camera(self) -> dict[str, Array]:
        """CAMERA and DISTORTION (m,) by name."""
        return {name: self.views[name][self.view] for name in (*CAMERA, *DISTORTION)}

    @property
    def earth(self) -> NDArray[np.object_]:
        """Earth model (m,)."""
        return self.earths[self.view]

    def groups(self) -> Iterable[tuple[str, NDArray[np.bool_]]]:
        """Each earth model with the mask (m,) of its rows."""
        words = self.earth
        for earth in sorted(set(words.tolist())):
            yield earth, words == earth


def label_geometry(frames: pl.DataFrame, labels: pl.DataFrame, runways: pl.DataFrame) -> LabelGeometry:
    """The geometry of the labels whose frame has a pose and whose runway is one of `runways`.

    `runways`: airport, runway and corners (12 numbers).
    """
    known = once(frames)
    whole = known.select(posed()).to_series()
    known = with_distortion(known if whole.all() else known.filter(whole))
    keys = labels.select("frame_id", "airport", "runway").with_row_index("row")
    joined = (
        keys.join(known.select("frame_id").with_row_index("view"), on="frame_id", how="inner")
        .drop("frame_id")
        .join(
            runways.select("airport", "runway").with_row_index("place"),
            on=["airport", "runway"],
            how="inner",
        )
        .select("row", "view", "place")
        .sort("row")
    )
    return LabelGeometry(
        rows=joined["row"].to_numpy().astype(np.int64),
        places=np.array(runways["corners"].to_list(), np.float64).reshape(-1, 4, 3),
        place=joined["place"].to_numpy().astype(np.int32),
        views={name: known[name].cast(pl.Float64).to_numpy() for name in (*POSE, *CAMERA, *DISTORTION)},
        earths=words_of(known["earth_model"]),
        view=joined["view"].to_numpy().astype(np.int32),
    )
