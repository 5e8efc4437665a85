"""What caches and ground folders state of themselves, checked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from lard.documents import read_json
from lard.errors import DataError
from lard.ground.fetched.grid import TileMatrix
from lard.tables import inside

_Number = Annotated[float, Field(allow_inf_nan=False, ge=-1e9, le=1e9)]
_Metres = Annotated[float, Field(gt=0, allow_inf_nan=False, le=1e6)]


class _Strict(BaseModel):
    """Numbers are numbers: what is checked is used as it stands."""

    model_config = ConfigDict(strict=True)


class _File(_Strict):
    """A file of a ground folder, beside its manifest."""

    file: Annotated[str, AfterValidator(lambda name: inside(name, "file", ValueError))]
    width_px: int = Field(ge=1)
    height_px: int = Field(ge=1)
    sha256: str | None = None


class _Level(_Strict):
    gsd_m: _Metres
    x_min_m: _Number
    y_max_m: _Number
    width_px: int = Field(ge=1)
    height_px: int = Field(ge=1)
    tiles: list[_File]


class _Hole(_Strict):
    level: int = Field(ge=0)
    filled_from: str
    pixels: int
    x_min_m: _Number
    y_min_m: _Number
    x_max_m: _Number
    y_max_m: _Number


class GroundManifest(_Strict):
    """What a ground folder's manifest must state to be checked."""

    airport: str
    lat0_deg: float = Field(ge=-90, le=90)
    lon0_deg: float = Field(ge=-180, le=180)
    levels: list[_Level] = Field(min_length=1)
    holes: list[_Hole] = []
    objects: _File | None = None
    source: dict[str, Any] = {}

    @model_validator(mode="after")
    def _holes_of_levels(self) -> "GroundManifest":
        if any(hole.level >= len(self.levels) for hole in self.holes):
            raise ValueError("a hole lies in a level that is not there")
        return self


class _Zoom(BaseModel):
    zoom: int
    name: str
    crs: str
    x_min: _Number
    y_max: _Number
    pixel_x: _Number
    pixel_y: _Number
    tile_width_px: int
    tile_height_px: int


class Described(BaseModel):
    """What a cache states of its source."""

    identity: str
    licence: str
    attributions: list[str]
    note: str = ""
    zooms: list[_Zoom]


def described_cache(folder: Path) -> dict[str, Any]:
    """What a cache says of its source, checked."""
    path = folder / "source.json"
    described: dict[str, Any] = read_json(path)
    try:
        Described.model_validate(described)
        matrices_of(described)
    except ValidationError as error:
        raise DataError(f"{path}: {fault_of(error)}; fetch something again") from error
    except ValueError as error:
        raise DataError(f"{path}: {error}; fetch something again") from error
    return described


def fault_of(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"])) or "the document"
    return f"lacks {where}" if first["type"] == "missing" else f"{where}: {first['msg']}"


def matrices_of(described: Mapping[str, Any]) -> list[TileMatrix]:
    return [
        TileMatrix(
            entry["zoom"], entry["name"], entry["crs"], entry["x_min"], entry["y_max"], entry["pixel_x"],
            entry["pixel_y"], entry["tile_width_px"], entry["tile_height_px"], 0, 1 << 30, 0, 1 << 30,
        )
        for entry in described["zooms"]
    ]  # fmt: skip
