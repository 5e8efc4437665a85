"""The terrain model of pictures and labels alike: params.yaml `ground.dem`."""

from pathlib import Path

from lard.errors import SpecError
from lard.ground.terrain import SHIPPED
from pipelines.stage import PARAMS, optional


def terrain_model() -> str | None:
    """The path of a raster or a folder, or `shipped`; None for level land. SpecError for anything else."""
    if "dem" in optional("render"):
        raise SpecError(f"{PARAMS}: render.dem: say ground.dem instead, which labels take as well")
    given = optional("ground").get("dem")
    if given is None:
        return None
    if not isinstance(given, str) or not given or not (given == SHIPPED or Path(given).exists()):
        raise SpecError(
            f"{PARAMS}: ground.dem: {given!r} is no terrain model; expected {SHIPPED}, the path of a raster "
            "or of a folder of rasters, or null for level land"
        )
    return given
