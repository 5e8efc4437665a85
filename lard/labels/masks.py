"""Instance masks as COCO run-length encodings."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask


def polygon_rle(polygon: list[float], width_px: int, height_px: int) -> dict[str, Any]:
    """COCO run-length encoding of a polygon x0, y0, x1, y1, ...; an empty mask when it has no area.

    The rasteriser is COCO's own, so that masks and polygons agree for every tool that uses it.
    """
    if len(polygon) < 6:
        rle = coco_mask.encode(np.zeros((height_px, width_px), np.uint8, order="F"))
    else:
        (rle,) = coco_mask.frPyObjects([polygon], height_px, width_px)
    return {"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode("ascii")}


def rle_mask(rle: dict[str, Any]) -> NDArray[np.bool_]:
    """Mask (height, width) of a run-length encoding."""
    return coco_mask.decode({"size": rle["size"], "counts": rle["counts"].encode("ascii")}).astype(bool)
