"""The land that labels were made with, as dataset.json names it, beside that on which pictures were drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import polars as pl

from lard.quality.dataset import Dataset
from lard.quality.model import Offence

REMEDY = "label again on that terrain (`lard label --terrain`; of a pipeline: ground.dem in params.yaml)"


def other_land(data: Dataset) -> Iterator[Offence]:
    """Pictures of this project's renderer on another terrain than their labels name, or on none."""
    known = _of_labels(data)
    for name, n in _of_pictures(data).iter_rows() if known else ():
        if name not in known:
            text = f"{n} pictures were drawn {f'on the terrain {name}' if name else 'without terrain'}"
            text += f", the labels are of {', '.join(sorted(known))}; label or render again with one terrain"
            yield Offence("dataset.json:terrain", float(n), text)


def unlabelled_land(data: Dataset) -> str:
    """Which terrain pictures were drawn on whose labels name none, in words; "" where there is no such."""
    if data.kind != "lard" or _of_labels(data) or data.labels is None or data.labels.is_empty():
        return ""
    drawn = [f"{n} pictures on the terrain {name}" for name, n in _of_pictures(data).iter_rows() if name]
    if not drawn:
        return ""
    return f"drawn were {', '.join(drawn)}, the labels name no terrain: what its hills hide may be labelled"


def untold_land(data: Dataset) -> str:
    """Pictures of others, which name no land, under labels that do: a clause of a message, or ""."""
    if not _of_labels(data) or data.manifest is None:
        return ""
    n = len(data.manifest) - int(_of_pictures(data)["n"].sum())
    return f"; not checked: on what land {n} pictures that name none were taken" if n else ""


def _of_labels(data: Dataset) -> set[str]:
    stated = data.meta.get("terrain")
    parts = stated if isinstance(stated, list) else []
    return {str(part.get("name")) for part in parts if isinstance(part, Mapping)}


def _of_pictures(data: Dataset) -> pl.DataFrame:
    """Terrain `name`, null for none, and number `n` of the pictures that this project's renderer drew."""
    if data.manifest is None:
        return pl.DataFrame(schema={"name": pl.String, "n": pl.Int64})
    version = pl.col("source_version")
    drawn = data.manifest.filter(version.str.starts_with("renderer ").fill_null(False))
    named = drawn.select(name=version.str.extract("; terrain (.*)$"))
    return named.group_by("name").agg(n=pl.len().cast(pl.Int64)).sort("name")
