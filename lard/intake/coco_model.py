"""What a COCO file must hold to be scored, trained on or shown, beyond ids and boxes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

Number = Annotated[float, Field(allow_inf_nan=False)]
Focal = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Side = Annotated[float, Field(ge=1, le=65_500)]
Name = Annotated[str, Field(max_length=1000)]


def _points(ring: list[float]) -> list[float]:
    if len(ring) % 2:
        raise ValueError(f"an outline of {len(ring)} numbers; expected x and y of each corner")
    return ring


Ring = Annotated[list[Number], AfterValidator(_points)]


class _Strict(BaseModel):
    """Numbers are numbers and texts are texts: the document is used as it stands."""

    model_config = ConfigDict(extra="allow", strict=True)


class _Camera(_Strict):
    """All four where the camera is known, else none."""

    fx_px: Focal | None
    fy_px: Focal | None
    cx_px: Number | None
    cy_px: Number | None

    @model_validator(mode="after")
    def _whole(self) -> _Camera:
        if len({value is None for value in (self.fx_px, self.fy_px, self.cx_px, self.cy_px)}) > 1:
            raise ValueError("some of fx_px, fy_px, cx_px, cy_px are null; expected all or none")
        return self


class _Pose(_Strict):
    lat_deg: Number | None = None
    lon_deg: Number | None = None
    alt_m: Number | None = None
    yaw_deg: Number | None = None
    pitch_deg: Number | None = None
    roll_deg: Number | None = None


class _Image(_Strict):
    width: Side
    height: Side
    file_name: Name
    source: Name | None = None
    frame_id: Name | int | None = None
    airport: Name | None = None
    runway: Name | None = None
    zone: Name | None = None
    light: Name | None = None
    time_utc: Name | None = None
    visibility_m: Number | None = None
    camera: _Camera | None = None
    pose: _Pose | None = None


class _Note(_Strict):
    area: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    iscrowd: Literal[0, 1] | bool | None = None
    is_target: bool | Literal[0, 1] | None = None
    slant_m: Number | None = None
    verdict: Name | None = None
    runway: Name | None = None
    category_id: int | None = None
    segmentation: list[Ring] | dict[str, Any] | None = None


class _Category(_Strict):
    id: int
    name: Name | None = None


class CocoModel(_Strict):
    """A COCO file as this project and most programs write it."""

    images: list[_Image]
    annotations: list[_Note]
    categories: list[_Category]
    info: dict[str, Any] | None = None
