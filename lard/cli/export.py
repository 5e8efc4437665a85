"""`lard export`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

VERDICTS = ("IN_ODD", "IN_EXTENDED_ODD", "OUT_OF_ODD")
_DATASET = click.argument("dataset", type=click.Path(path_type=Path))
_OUT = click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder to write; must be new."
)


@click.group()
def export() -> None:
    """Write DATASET, a labelled dataset folder, in other formats.

    \b
    Examples:
      lard export coco data/ortho --out out/coco
      lard export yolo data/ortho --task pose --out out/yolo
      lard export huggingface data/ortho --out out/hf
    """


@export.command()
@_DATASET
@_OUT
@click.option("--segmentation", default="polygon", show_default=True, type=click.Choice(("polygon", "rle")))
def coco(dataset: Path, out: Path, segmentation: str) -> None:
    """COCO train.json, val.json and test.json with boxes, masks and keypoints.

    File names are relative to DATASET. Runways that need not be found are marked iscrowd.

    \b
    Examples:
      lard export coco data/ortho --out out/coco
      lard export coco data/ortho --segmentation rle --out out/coco_rle
    """
    from lard.export.coco import write_coco
    from lard.export.common import open_dataset, staged_folder

    opened = open_dataset(dataset, images=False)
    with staged_folder(out) as folder:
        counts = write_coco(opened.frames, opened.labels, folder, opened.info, segmentation=segmentation)
    click.echo(", ".join(f"{count} {split} frames" for split, count in counts.items()) + f" in {out}")


@export.command()
@_DATASET
@_OUT
@click.option("--task", default="detect", show_default=True, type=click.Choice(("detect", "segment", "pose")))
@click.option(
    "--verdict",
    multiple=True,
    type=click.Choice(VERDICTS),
    help="Only runways of these verdicts; the others are then taught as background.",
)
def yolo(dataset: Path, out: Path, task: str, verdict: tuple[str, ...]) -> None:  # fmt: skip
    """YOLO images/, labels/ and data.yaml, which works wherever the folder is.

    \b
    Examples:
      lard export yolo data/ortho --out out/yolo
      lard export yolo data/ortho --task segment --verdict IN_ODD --out out/yolo_seg
    """
    from lard.export.common import open_dataset
    from lard.export.yolo import missing_splits, write_yolo

    opened = open_dataset(dataset)
    count = write_yolo(opened, out, task, verdict)
    click.echo(f"{count} objects in {out}")
    missing = " and no ".join(missing_splits(opened))
    if missing:
        click.echo(
            f"note: {dataset} has no {missing} frames, which Ultralytics wants to train; sample airports for "
            "them (`lard scenario sample --split val=...`), or name folders of your own in data.yaml",
            err=True,
        )


@export.command("lard")
@_DATASET
@_OUT
@click.option("--version", default="v2", show_default=True, type=click.Choice(("v1", "v2")))
@click.option(
    "--type", "image_type", default="", help="Column `type`. Default: by the source that the manifest names."
)
@click.option(
    "--timezone", default="solar", show_default=True, help="Zone of the local times: solar, UTC or a name."
)
@click.option(
    "--lateral-apex-m",
    default=0.0,
    show_default=True,
    help="Where the dataset's lateral angles are seen from, beyond the threshold; V1 uses 3050.",
)
def lard_command(
    dataset: Path, out: Path, version: str, image_type: str, timezone: str, lateral_apex_m: float
) -> None:  # fmt: skip
    """LARD's own layout: images/ and a label table, columns of V1 or V2.

    \b
    Examples:
      lard export lard data/ortho --out out/lard_v2
      lard export lard data/ortho --version v1 --timezone UTC --out out/lard_v1
    """
    from lard.errors import naming
    from lard.export.common import open_dataset
    from lard.export.lard_folder import write_lard_folder

    with naming(dataset):
        rows, left_out = write_lard_folder(
            open_dataset(dataset),
            out,
            version,
            image_type=image_type,
            timezone=timezone,
            lateral_apex_m=lateral_apex_m,
        )
    click.echo(f"{rows} labels in {out}")
    if left_out:
        click.echo(
            f"note: {left_out} runways partly behind the camera have no place in LARD's table", err=True
        )


@export.command()
@_DATASET
@_OUT
def huggingface(dataset: Path, out: Path) -> None:
    """Hugging Face image folder with metadata.jsonl, data card and Croissant description.

    \b
    Examples:
      lard export huggingface data/ortho --out out/hf
    """
    from lard.export.common import open_dataset
    from lard.export.huggingface import write_huggingface

    counts = write_huggingface(open_dataset(dataset), out)
    click.echo(", ".join(f"{count} {split} frames" for split, count in counts.items()) + f" in {out}")


@export.command()
@_DATASET
@_OUT
@click.option(
    "--shard-size",
    type=click.IntRange(min=1),
    help="Frames per tar at most.  [default: 1000, none by --shard-mb]",
)
@click.option("--shard-mb", type=click.FloatRange(min=0.1), help="MB (1,000,000 bytes) per tar at most.")
def webdataset(dataset: Path, out: Path, shard_size: int | None, shard_mb: float | None) -> None:
    """WebDataset tar shards: KEY.jpg and KEY.json per frame; coco/, and the dataset's tables in tables/.

    The same dataset gives the same bytes. `lard import webdataset` makes the dataset of them again, so that a
    million pictures can lie in a store as a few thousand objects; `lard train` and `lard predict --data` read
    the pictures where they are.

    \b
    Examples:
      lard export webdataset data/ortho --shard-size 500 --out out/wds
      lard export webdataset data/ortho --shard-mb 256 --out s3://bucket/ortho-shards
    """
    from lard.export.common import open_dataset
    from lard.export.webdataset import write_webdataset

    most = shard_size or (1000 if shard_mb is None else None)
    most_bytes = None if shard_mb is None else int(shard_mb * 1e6)
    written = write_webdataset(open_dataset(dataset), out, most, most_bytes)
    click.echo(f"{len(written.shards)} shards in {out}")
    if most_bytes is not None and written.largest_bytes > most_bytes:
        click.echo(
            f"note: frames larger than --shard-mb {shard_mb:g} have a tar each; the largest, "
            f"{written.largest}, makes one of {written.largest_bytes / 1e6:.3g} MB",
            err=True,
        )


_RESULTS = click.option(
    "--results",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="COCO results on a split of DATASET, named after the model, as predictions; repeatable.",
)


def _predicted(dataset: Path, results: tuple[Path, ...]) -> list[Any]:
    """Detections of results files by frame, every one that the explorer would show."""
    from lard.export.annotators import Predicted
    from lard.labels.dataset import read_dataset
    from lard.report.explorer_results import judge_results

    names = read_dataset(dataset)[0]["frame_id"].to_list() if results else []
    judged = judge_results(dataset, names, results, None) if results else []
    return [
        Predicted(
            model.name,
            {
                name: [[float(v) for v in row[:5]] for row in rows if row[4] >= model.score]
                for name, rows in model.detections.items()
            },
        )
        for model in judged
    ]


@export.command()
@_DATASET
@_RESULTS
@_OUT
def fiftyone(dataset: Path, results: tuple[Path, ...], out: Path) -> None:
    """FiftyOne folder (FiftyOneDataset): samples.json, metadata.json and data/.

    Opens with fo.Dataset.from_dir(dataset_dir=OUT, dataset_type=fo.types.FiftyOneDataset). Corrected labels
    come back by lard import fiftyone. Results count from their operating point.

    \b
    Examples:
      lard export fiftyone data/ortho --out out/fiftyone
      lard export fiftyone data/ortho --results results/ortho/fcos-s.json --out out/fiftyone
    """
    from lard.export.annotators import write_fiftyone
    from lard.export.common import open_dataset

    count = write_fiftyone(open_dataset(dataset), out, _predicted(dataset, results))
    click.echo(f"{count} runways in {out}")


@export.command()
@_DATASET
@_OUT
def cvat(dataset: Path, out: Path) -> None:
    """CVAT for images 1.1: annotations.xml and images/, a polygon per runway.

    Make a task of images/, then upload annotations.xml to it; lard import cvat reads what CVAT exports.

    \b
    Examples:
      lard export cvat data/ortho --out out/cvat
    """
    from lard.export.annotators import write_cvat
    from lard.export.common import open_dataset

    click.echo(f"{write_cvat(open_dataset(dataset), out)} runways in {out}")


@export.command()
@_DATASET
@_RESULTS
@_OUT
def labelstudio(dataset: Path, results: tuple[Path, ...], out: Path) -> None:
    """Label Studio: tasks.json, config.xml (the labelling interface) and images/.

    Serve the folder that holds OUT as Label Studio's local files; lard import labelstudio reads its JSON.

    \b
    Examples:
      lard export labelstudio data/ortho --out out/labelstudio
      lard export labelstudio data/ortho --results results/ortho/fcos-s.json --out out/labelstudio
    """
    from lard.export.annotators import write_labelstudio
    from lard.export.common import open_dataset

    count = write_labelstudio(open_dataset(dataset), out, _predicted(dataset, results))
    click.echo(f"{count} runways in {out}")


@export.command()
@_DATASET
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Markdown file to write.")
def card(dataset: Path, out: Path) -> None:
    """Data card filled from the data.

    \b
    Examples:
      lard export card data/ortho --out data/ortho/README.md
    """
    from lard.export.card import write_card
    from lard.export.common import open_dataset
    from lard.written import check_suffix, keep_text

    check_suffix(out, ".md")
    keep_text(out, "a data card that lard wrote", "- Made with lard ", "cockpit views of runways on approach")
    write_card(open_dataset(dataset, images=False), out)
    click.echo(f"data card in {out}")
