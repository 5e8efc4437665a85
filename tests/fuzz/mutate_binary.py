"""Damage to tables (parquet), pictures, rasters, models, SQLite and tars by what they hold."""

from __future__ import annotations

import contextlib
import io
import json
import sqlite3
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import rasterio
import torch
from PIL import Image

from fuzz.mutate import VALUES, Rng, of_bytes, tree

MODES = ("L", "LA", "P", "RGBA", "CMYK", "1", "I", "I;16", "F", "YCbCr", "RGB")
FORMATS = ("PNG", "JPEG", "TIFF", "GIF", "BMP", "WEBP")


def of_parquet(raw: bytes, rng: Rng) -> bytes:
    """A table with cells or whole columns of other values or types, or rows or columns lost or doubled."""
    table = pl.read_parquet(io.BytesIO(raw))
    for _ in range(int(rng.choice([1, 1, 1, 2, 4]))):
        if table.width == 0:
            break
        name = table.columns[int(rng.integers(table.width))]
        with contextlib.suppress(pl.exceptions.PolarsError, OverflowError, TypeError):
            changed = _changed(table, name, rng)
            changed.write_parquet(io.BytesIO())  # some types cannot be written
            table = changed
    stream = io.BytesIO()
    table.write_parquet(stream)
    return stream.getvalue()


def _changed(table: pl.DataFrame, name: str, rng: Rng) -> pl.DataFrame:
    strange = VALUES[int(rng.integers(len(VALUES)))]
    match int(rng.integers(0, 12)):
        case 0:
            return table.drop(name)
        case 1:
            return table.head(int(rng.choice([0, 0, 1, len(table) // 2])))
        case 2:
            return pl.concat([table, table.head(2)])
        case 3:
            return table.rename({name: str(strange)[:50] or "?"})
        case 4:
            kinds = (pl.String, pl.Float64, pl.Int64, pl.Boolean, pl.Float32, pl.Int8, pl.Datetime, pl.Null)
            kind = kinds[int(rng.integers(len(kinds)))]
            return table.with_columns(pl.col(name).cast(kind, strict=False))
        case 5:
            return table.with_columns(pl.lit(None, table.schema[name]).alias(name))
        case 6:
            return table.with_columns(pl.col(name).implode().over(pl.int_range(pl.len())).alias(name))
        case 7:
            return table.with_columns(pl.lit(strange).alias(name))
        case 8 if table.schema[name].is_numeric():
            factor = float(rng.choice([-1, 0, 1e9, 1e300, np.nan, np.inf]))
            return table.with_columns((pl.col(name) * factor).alias(name))
        case 9:
            return table.sample(fraction=1.0, shuffle=True, seed=int(rng.integers(1 << 30)))
        case _:
            kind = table.schema[name]
            at = int(rng.integers(max(len(table), 1)))
            cell = pl.Series(_fitting(kind, rng), dtype=kind, strict=False)
            here = pl.int_range(pl.len()) == at
            return table.with_columns(pl.when(here).then(pl.lit(cell).first()).otherwise(name).alias(name))


def _fitting(kind: Any, rng: Rng) -> list[Any]:
    """One odd value that a column of this type can hold."""
    if kind.is_float():
        choice = [None, float("nan"), float("inf"), -float("inf"), 0.0, -1.0, 1e308, 1e-308, 90.0, 1e6]
    elif kind.is_integer():
        choice = [None, 0, -1, 1, 2**31 - 1, 65536, -(2**31)]
    elif kind == pl.Boolean:
        choice = [None, True, False]
    elif isinstance(kind, pl.List):
        choice = [None, [], [1.0], [float("nan")] * 6, [0.0] * 6, [None, 1.0], [1e308] * 8, [-1.0, 5.0] * 3]
    else:
        choice = [value for value in VALUES if value is None or isinstance(value, str)]
    return [choice[int(rng.integers(len(choice)))]]


def of_picture(raw: bytes, rng: Rng) -> bytes:
    """A picture of another mode, format, size or orientation, or of damaged bytes."""
    if rng.random() < 0.4:
        return of_bytes(raw, rng)
    with Image.open(io.BytesIO(raw)) as image:
        picture = image.convert("RGB")
    mode = str(rng.choice(MODES))
    if rng.random() < 0.3:
        sizes = ((1, 1), (1, 500), (picture.height, picture.width), (7, 3), (2000, 1))
        picture = picture.resize(sizes[int(rng.integers(len(sizes)))])
    if mode in ("I", "F", "I;16"):
        scale = float(rng.choice([1, 1 / 255, 16, 257, -1, np.nan, 1e30]))
        values = np.asarray(picture.convert("L"), np.float64) * scale
        with np.errstate(all="ignore"):
            kind = {"I": np.int32, "F": np.float32, "I;16": np.uint16}[mode]
            picture = Image.fromarray(
                np.nan_to_num(values).astype(kind) if mode != "F" else values.astype(kind)
            )
    else:
        picture = picture.convert(mode)
    exif = Image.Exif()
    exif[0x0112] = int(rng.choice([0, 1, 3, 6, 8, 99]))
    for form in (*rng.permutation(FORMATS), "TIFF"):
        stream = io.BytesIO()
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            picture.save(stream, str(form), **({"exif": exif.tobytes()} if form in ("JPEG", "PNG") else {}))
            return stream.getvalue()
    return raw


def of_raster(raw: bytes, rng: Rng) -> bytes:
    """A GeoTIFF of other numbers, values, size or coordinates, or of damaged bytes."""
    if rng.random() < 0.4:
        return of_bytes(raw, rng)
    with rasterio.MemoryFile(raw) as memory, memory.open() as source:
        data, profile = source.read(), dict(source.profile)
    kinds = ("uint8", "int16", "uint16", "float32", "float64", "int8", "complex64", "uint32")
    profile["dtype"] = kind = str(rng.choice(kinds))
    data = data.astype(kind)
    if rng.random() < 0.4 and kind.startswith("float"):
        data[..., int(rng.integers(100)) :] = float(rng.choice([np.nan, np.inf, -9999, 1e30]))
    crs = ("EPSG:4326", "EPSG:3857", "EPSG:32627", "EPSG:3413", 'LOCAL_CS["site",UNIT["metre",1]]', None)
    profile["crs"] = crs[int(rng.integers(len(crs)))]
    scale = float(rng.choice([1, 1, -1, 1e-9, 1e9, 0]))
    place = profile["transform"]
    profile["transform"] = rasterio.Affine(
        place.a * scale, float(rng.choice([0, 0, 0.001])), place.c, 0, place.e, place.f
    )
    bands = int(rng.choice([1, 2, 3, 4, 5, len(data)]))
    data = np.resize(data, (bands, *data.shape[1:]))
    profile |= {"count": bands, "nodata": [None, 0, 100][int(rng.integers(3))]}
    with contextlib.suppress(Exception), rasterio.MemoryFile() as memory:
        with memory.open(**profile) as target:
            target.write(data)
        return bytes(memory.read())
    return of_bytes(raw, rng)


def of_checkpoint(raw: bytes, rng: Rng) -> bytes:
    """A checkpoint whose description or tensors are damaged."""
    kind = float(rng.random())
    if kind < 0.3:
        return of_bytes(raw, rng)
    content: dict[str, Any] = torch.load(io.BytesIO(raw), weights_only=True)
    if kind < 0.8:
        content["meta"] = json.dumps(tree(json.loads(content["meta"]), rng))
    elif kind < 0.9:
        content = tree({**content, "tensors": dict.fromkeys(content["tensors"], 1)}, rng)
    else:
        names = sorted(content["tensors"])
        name = names[int(rng.integers(len(names)))]
        tensor = content["tensors"][name]
        strange = [
            tensor * float("nan"),
            tensor.flatten()[:0],
            tensor.to(torch.int8),
            tensor.double() * 1e200,
            tensor[None],
        ]
        content["tensors"][name] = strange[int(rng.integers(len(strange)))]
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


def of_onnx(raw: bytes, rng: Rng) -> bytes:
    """An ONNX file whose description is damaged, or its bytes."""
    import onnx

    if rng.random() < 0.3:
        return of_bytes(raw, rng)
    model = onnx.load_from_string(raw)
    entry = model.metadata_props[0]
    text = json.dumps(tree(json.loads(entry.value), rng))
    entry.value = text if rng.random() < 0.9 else of_bytes(text.encode(), rng).decode("latin-1")
    return bytes(model.SerializeToString())


def of_sqlite(raw: bytes, rng: Rng) -> bytes:
    """A store of tiles whose entries are damaged, or its bytes."""
    if rng.random() < 0.3:
        return of_bytes(raw, rng)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a"
        path.write_bytes(raw)
        store = sqlite3.connect(path)
        tables = (
            ("metadata", "value"),
            ("metadata", "name"),
            ("tiles", "zoom_level"),
            ("tiles", "tile_data"),
        )
        table, column = tables[int(rng.integers(len(tables)))]
        value = VALUES[int(rng.integers(len(VALUES)))]
        value = (
            str(value)
            if isinstance(value, list | dict) or (isinstance(value, int) and abs(value) > 2**62)
            else value
        )
        one = "" if rng.random() < 0.5 else " where rowid = (select max(rowid) from " + table + ")"
        with store:
            store.execute(f"update {table} set {column} = ?{one}", (value,))
        store.close()
        return path.read_bytes()


def of_tar(raw: bytes, rng: Rng) -> bytes:
    """A tar with a member lost, doubled, renamed (out of its folder too), made a link, or of other bytes."""
    if rng.random() < 0.2:
        return of_bytes(raw, rng)
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        members = [(one, (tar.extractfile(one) or io.BytesIO()).read()) for one in tar.getmembers()]
    place = int(rng.integers(len(members)))
    entry, data = members[place]
    match int(rng.integers(0, 6)):
        case 0:
            members.pop(place)
        case 1:
            members.append(members[place])
        case 2:
            names = (
                "../out.jpg",
                "/tmp/out.jpg",
                "a.jpg",
                "",
                "x" * 300 + ".json",
                "\udcff.jpg",
                "a/../b.jpg",
            )
            entry.name = names[int(rng.integers(len(names)))]
        case 3:
            entry.type = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE)[
                int(rng.integers(4))
            ]
            entry.linkname, data = "/etc/hostname", b""
        case 4:
            members.insert(int(rng.integers(len(members))), members.pop(place))
        case _:
            data = of_bytes(data, rng)
            entry.size = len(data)
            members[place] = entry, data
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for one, content in members:
            one.size = len(content) if one.isreg() else 0
            tar.addfile(one, io.BytesIO(content))
    return stream.getvalue()
