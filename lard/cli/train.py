"""`lard train`: detectors from datasets."""

from __future__ import annotations

from pathlib import Path

import click

from lard.cli.benchmark import CONFIG, DATA, parameters


@click.command()
@click.argument("model")
@DATA
@CONFIG
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder of the checkpoint [default: models/MODEL]."
)
@click.option(
    "--loaders", type=click.IntRange(0), default=0, show_default=True, help="Processes that cut crops ahead."
)
@click.option(
    "--tensorboard", type=click.Path(file_okay=False, path_type=Path), help="Folder for event files."
)
@click.option(
    "--processes",
    type=click.IntRange(1),
    help="Processes of this machine that share each batch [default: train.processes of the parameter file].",
)
@click.option(
    "--save-minutes",
    type=click.FloatRange(0, min_open=True),
    help="Save the state after so many minutes, besides every train.save_every steps.",
)
@click.option("--start", metavar="MODEL", help="Begin with the weights of a checkpoint or shipped model.")
def train(
    model: str,
    datasets: tuple[Path, ...],
    config: Path | None,
    out: Path | None,
    loaders: int,
    tensorboard: Path | None,
    processes: int | None,
    save_minutes: float | None,
    start: str | None,
) -> None:
    """Train MODEL on the training split and write checkpoint.pt, log.csv and log.svg.

    MODEL is a name in the models section of the parameter file or one of these presets:

    \b
      fcos-s, fcos-m, fcos-l
          plain FCOS, from narrow to the width of a ResNet-18
      lip-fcos-s, lip-fcos-m, lip-fcos-l
          1-Lipschitz, accurate: focal loss on ten times the logit
      lip-fcos-s-robust, lip-fcos-m-robust, lip-fcos-l-robust
          1-Lipschitz, robust: focal loss on twenty times the logit beyond an offset of 0.15
      lip-fcos-s-certified, lip-fcos-m-certified, lip-fcos-l-certified
          1-Lipschitz, for certificates: margins that the pixels allow; measured with --start only
      seg-s, seg-m, lip-seg-s, lip-seg-m
          masks instead of boxes, plain and 1-Lipschitz; for `lard segment`
      corners-s, lip-corners-s
          corners of a detector's boxes (lard predict --corners), plain and 1-Lipschitz

    An interrupted run goes on from its last saved step when started again with the same parameters, on any
    number of processes: it changes no byte on CPUs. Under torchrun its processes, of one machine or several,
    share each batch, in the place of train.processes; --out then has to be one folder for all. Every
    train.validate_every steps the average precision on frames of the validation split is measured; it stands
    in the log and its curves.
    Pictures of a dataset may lie in the tar shards of lard export webdataset, and a dataset at a URL; neither
    changes a byte.
    With --start the weights of a model of the same layers are the first ones, the optimiser is new, and
    the airports that it learnt from count as those of the result.

    \b
    Examples:
      lard train fcos-s --data data/ortho
      lard train lip-fcos-s-robust --data data/ortho --config params.yaml --out models/robust
      lard train fcos-s --data data/own --start fcos-s --out models/tuned
      lard train lip-fcos-s-certified --data data/ortho --start lip-fcos-s --out models/certified
      lard train corners-s --data data/ortho
      lard train fcos-m --data data/ortho --data data/flightgear --loaders 8 --tensorboard runs
      lard train fcos-s --data data/ortho --processes 2 --save-minutes 10
      lard train fcos-s --data s3://bucket/ortho-shards --loaders 8
      torchrun --no-python --nproc-per-node 4 lard train fcos-l --data data/ortho
    """
    from contextlib import nullcontext

    from lard.detect.config import parse_plan
    from lard.detect.corner_train import train_corners
    from lard.detect.crew import given_place
    from lard.detect.models import resolve
    from lard.detect.train import train as run
    from lard.files import folders_for
    from lard.intake.tars import unchecked
    from lard.report.training import write_curves

    params = parameters(config)
    folder = out or Path("models") / model
    work = folder.parent / ".resume" / folder.name
    corners = params.corner_model(model)
    if corners is not None and start is not None:
        raise click.UsageError(f"--start begins detectors; {model} is a corner model; leave --start out")
    place, plan = given_place(), params.train
    if processes is not None:
        if place is not None:
            raise click.UsageError("--processes: torchrun has started them already; leave it out")
        plan = parse_plan({**plan.model_dump(), "processes": processes})
    first = place is None or place.rank == 0  # of several under torchrun the first one writes
    for line in unchecked(datasets) if first else ():
        click.echo(line, err=True)
    with folders_for(folder) if first else nullcontext():  # no hours of work for a place not to be written
        if corners is not None:
            checkpoint = train_corners(
                model,
                corners,
                plan,
                datasets,
                folder,
                work,
                loaders=loaders,
                tensorboard=tensorboard,
                save_minutes=save_minutes,
            )
        else:
            checkpoint = run(
                model,
                params.model(model),
                plan,
                datasets,
                folder,
                work,
                loaders=loaders,
                tensorboard=tensorboard,
                start=None if start is None else resolve(start),
                save_minutes=save_minutes,
            )
    if first:
        write_curves(folder, model)
        click.echo(checkpoint)
