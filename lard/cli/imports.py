"""`lard import`: datasets of other layouts as dataset folders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lard.cli.options import CREDIT, SEED

if TYPE_CHECKING:
    from lard.intake.sets.model import Imported

Command = TypeVar("Command", bound=Callable[..., Any])
_SOURCE = click.argument("source", type=click.Path(exists=True, path_type=Path))
_CLASS = click.option("--class", "label", default="", help="Name of the class that is a runway.")


def _common(command: Command) -> Command:
    """Options that every layout has."""
    options = (
        click.option("--out", required=True, type=click.Path(path_type=Path), help="Dataset folder to make."),
        click.option(
            "--split", default="", type=click.Choice(("", "train", "val", "test")), show_default=False,
            help="Split of files whose path names none.",
        ),
        click.option(
            "--val", default=0.1, show_default=True,
            help="Share of the training frames for a validation split, of whole airports; 0 for none.",
        ),
        click.option("--seed", default=0, show_default=True, type=SEED,
            help="Chooses the airports to validate on."),
        click.option("--licence", default="", type=CREDIT, help="Licence of the pictures."),
        click.option("--attribution", default="", type=CREDIT, help="Whom to name beside the pictures."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@click.group(name="import")
def import_() -> None:
    """Read a dataset of another layout into a dataset folder, with its coco/.

    The folder then goes through `lard inspect`, `dqr`, `train`, `predict` and `score` like any other. Splits
    stay as they were published; where there is no validation split, whole training airports are held back
    for one, so that no picture of them is trained on.

    \b
    Examples:
      lard import lard-v2 LARD_V2 --out data/lard_v2
      lard import yolo roboflow/data.yaml --out data/mine
      lard train fcos-s --data data/lard_v2
    """


@import_.command("lard-v1")
@_SOURCE
@_common
def lard_v1(source: Path, split: str, **rest: Any) -> None:
    """LARD V1: folders of a label table (.csv) and the pictures it names.

    \b
    Examples:
      lard import lard-v1 LARD_train_BIRK_LFST --out data/v1
      lard import lard-v1 LARD_test_real_nominal.csv --split test --out data/real
    """
    from lard.intake.sets.lard_set import read_lard_set

    _finish(source, partial(read_lard_set, source, "v1", split), **rest)


@import_.command("lard-v2")
@_SOURCE
@_common
def lard_v2(source: Path, split: str, **rest: Any) -> None:
    """LARD V2: images/ and metadata_SOURCE_SPLIT.csv, one of them or the whole folder.

    \b
    Examples:
      lard import lard-v2 LARD_V2 --out data/lard_v2
      lard import lard-v2 LARD_V2/metadata_ges_train.csv --val 0.15 --out data/ges
    """
    from lard.intake.sets.lard_set import read_lard_set

    _finish(source, partial(read_lard_set, source, "v2", split), **rest)


@import_.command()
@_SOURCE
@_CLASS
@_common
def coco(source: Path, label: str, split: str, **rest: Any) -> None:
    """A COCO file, or a folder of them: boxes, polygons or four corner keypoints.

    \b
    Examples:
      lard import coco annotations/ --out data/mine
      lard import coco labels.json --split test --class runway --out data/mine
    """
    from lard.intake.sets.coco_set import read_coco_set

    _finish(source, partial(read_coco_set, source, split, label), **rest)


@import_.command()
@_SOURCE
@_CLASS
@_common
def yolo(source: Path, label: str, split: str, **rest: Any) -> None:
    """A YOLO folder or its data.yaml: boxes, polygons or poses of four corners.

    \b
    Examples:
      lard import yolo mine/data.yaml --out data/mine
      lard import yolo pictures_and_labels/ --split train --out data/mine
    """
    from lard.intake.sets.yolo_set import read_yolo_set

    _finish(source, partial(read_yolo_set, source, split, label), **rest)


@import_.command()
@_SOURCE
@_CLASS
@_common
def voc(source: Path, label: str, split: str, **rest: Any) -> None:
    """A Pascal VOC folder: Annotations/, JPEGImages/ and ImageSets/Main/.

    \b
    Examples:
      lard import voc VOCdevkit/VOC2012 --out data/mine
      lard import voc pictures_with_xml/ --split train --out data/mine
    """
    from lard.intake.sets.voc_set import read_voc_set

    _finish(source, partial(read_voc_set, source, split, label), **rest)


@import_.command()
@_SOURCE
@_CLASS
@click.option("--field", default="ground_truth", show_default=True, help="Field that holds the Detections.")
@_common
def fiftyone(source: Path, label: str, field: str, split: str, **rest: Any) -> None:
    """A FiftyOne folder, exported as FiftyOneDataset with its pictures.

    \b
    Examples:
      lard import fiftyone corrected/ --out data/corrected
    """
    from lard.intake.sets.fiftyone_set import read_fiftyone_set

    _finish(source, partial(read_fiftyone_set, source, split, label, field), **rest)


@import_.command()
@_SOURCE
@_CLASS
@_common
def cvat(source: Path, label: str, split: str, **rest: Any) -> None:
    """CVAT for images 1.1: annotations.xml with its pictures beside it or in images/.

    \b
    Examples:
      lard import cvat task_7/ --out data/corrected
      lard import cvat annotations.xml --split train --out data/mine
    """
    from lard.intake.sets.cvat_set import read_cvat_set

    _finish(source, partial(read_cvat_set, source, split, label), **rest)


@import_.command()
@_SOURCE
@_CLASS
@_common
def labelstudio(source: Path, label: str, split: str, **rest: Any) -> None:
    """Label Studio's JSON export, with its pictures beside it or in images/.

    \b
    Examples:
      lard import labelstudio project.json --split train --out data/corrected
    """
    from lard.intake.sets.labelstudio_set import read_labelstudio_set

    _finish(source, partial(read_labelstudio_set, source, split, label), **rest)


@import_.command()
@_SOURCE
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Dataset folder to make.")
def webdataset(source: Path, out: Path) -> None:
    """Tar shards of lard export webdataset: the dataset that they were made of, and its coco/.

    Every picture is checked against the manifest, without which nothing is read.

    \b
    Examples:
      lard import webdataset shards/ --out data/ortho
      lard import webdataset s3://bucket/ortho-shards --out data/ortho
    """
    from lard.errors import naming
    from lard.export.coco import write_coco
    from lard.export.common import open_dataset, staged_folder
    from lard.intake.sets.webdataset_set import read_webdataset

    with naming(source, out), staged_folder(out) as made:
        count = read_webdataset(source, made)
        opened = open_dataset(made)
        write_coco(opened.frames, opened.labels, made / "coco", opened.info)
    click.echo(f"{out}: {count} frames")


def _finish(
    source: Path,
    read: Callable[[], Imported],
    out: Path,
    val: float,
    seed: int,
    licence: str,
    attribution: str,
) -> None:
    """Carve the validation split, write the folder and its coco/, say what was done."""
    from lard.errors import DataError, naming
    from lard.export.coco import write_coco
    from lard.export.common import open_dataset
    from lard.intake.sets.splits import airports_in_both, carve, check_share
    from lard.intake.sets.write import new_set, write_set

    with naming(source, source.parent):  # faults may be of a file beside
        found = read()
    without = [] if len(found.labels) else [f"no runway in any of its {len(found.frames)} pictures"]
    if without and found.notes:
        told = "; ".join([*without, *found.notes])
        raise DataError(f"{source}: {told}: check where its labels lie and --class")
    frames, note = carve(found.frames, check_share(val), seed)
    found = replace(found, frames=frames, notes=(*found.notes, *([note] if note else [])))
    with naming(source, source.parent, out), new_set(found, out) as made:
        counts = write_set(found, made, out.resolve().name, licence, attribution)
        opened = open_dataset(made)
        write_coco(opened.frames, opened.labels, made / "coco", opened.info)
    for line in (*found.notes, *(f"! {line}" for line in without)):
        click.echo(line)
    both = airports_in_both(frames)
    if both:
        click.echo(f"! airports in the test split and in another: {', '.join(both)}")
    click.echo(f"{out}: " + ", ".join(f"{count} {split} frames" for split, count in counts.items()))
