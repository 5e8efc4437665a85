"""What the values of a ground folder's manifest are, where they are there."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from lard.files import inside

Number = Annotated[float, Field(allow_inf_nan=False, ge=-1e9, le=1e9)]
Metres = Annotated[float, Field(gt=0, allow_inf_nan=False, le=1e6)]
Side = Annotated[int, Field(ge=1, le=1 << 24)]
Place = Annotated[int, Field(ge=0, le=1 << 24)]
FileName = Annotated[str, AfterValidator(lambda name: inside(name, "file", ValueError))]


_Rectangle = Annotated[list[Number], Field(min_length=6, max_length=6)]


class _Strict(BaseModel):
    """Numbers are numbers: what is checked is used as it stands; what is absent its reader names."""

    model_config = ConfigDict(extra="allow", strict=True)


class _Tile(_Strict):
    file: FileName = ""
    col_px: Place = 0
    row_px: Place = 0
    width_px: Side = 1
    height_px: Side = 1
    sha256: str | None = None


class _Level(_Strict):
    gsd_m: Metres = 1.0
    x_min_m: Number = 0.0
    y_max_m: Number = 0.0
    width_px: Side = 1
    height_px: Side = 1
    sparse: bool | None = None
    tiles: list[_Tile] = []


class _Objects(_Strict):
    file: FileName = ""
    sha256: str = ""
    gsd_m: Metres = 1.0
    unit_m: Metres = 1.0
    x_min_m: Number = 0.0
    y_max_m: Number = 0.0
    width_px: Side = 1
    height_px: Side = 1


class GroundManifest(_Strict):
    """The manifest of a ground folder as the renderer uses it."""

    airport: str
    lat0_deg: float = Field(ge=-90, le=90)
    lon0_deg: float = Field(ge=-180, le=180)
    levels: list[_Level] = Field(min_length=1)
    objects: _Objects | None = None
    grain: float = Field(0.0, ge=0, le=0.5)  # detail drawn below the texels, as a share of their light
    smooth: list[_Rectangle] = []  # centre, unit axis, half length, half width on the map: without grain
