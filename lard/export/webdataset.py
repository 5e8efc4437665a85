"""WebDataset shards: tar files of pictures with a JSON record each, the same bytes every time."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

from lard.errors import DataError
from lard.export.common import LabelledFolder, staged_folder
from lard.export.records import frame_fields, objects


def write_webdataset(dataset: LabelledFolder, out: str | Path, shard_size: int = 1000) -> list[str]:
    """Write <split>-000000.tar ... with KEY.jpg and KEY.json per frame; return the names of the shards."""
    dotted = [name for name in dataset.frames["frame_id"] if "." in name]
    if dotted:
        raise DataError(
            f"{dataset.folder}: frame id {dotted[0]!r} has a dot, which ends a key in a tar; rename it"
        )
    visible, names = dataset.visible(), []
    with staged_folder(out) as folder:
        for split, frames in dataset.splits.items():
            for shard, start in enumerate(range(0, len(frames), shard_size)):
                name = f"{split}-{shard:06d}.tar"
                names.append(name)
                with tarfile.open(folder / name, "w", format=tarfile.USTAR_FORMAT) as tar:
                    for frame in frames[start : start + shard_size].iter_rows(named=True):
                        key, size = frame["frame_id"], (frame["width_px"], frame["height_px"])
                        record = frame_fields(frame) | {"objects": objects(visible[key], *size, masks=True)}
                        _add(tar, f"{key}.jpg", dataset.image_path(key).read_bytes())
                        _add(tar, f"{key}.json", json.dumps(record, sort_keys=True, allow_nan=False).encode())
    return names


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)  # its defaults hold no owner and no time
    entry.size, entry.mode = len(content), 0o644
    tar.addfile(entry, io.BytesIO(content))
