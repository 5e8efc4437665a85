"""`lard monitor fit`: alarms fitted to training airports, set on validation airports."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lard.cli.monitor import DATASET, KEEP, SEED_OPTION, per_airport_option

if TYPE_CHECKING:
    from lard.assurance.thresholds import Rule


@click.command("fit")
@click.argument("model")
@DATASET
@per_airport_option(12, "Training pictures of each airport.")
@per_airport_option(25, "Validation pictures of each airport.", "--val-per-airport")
@click.option(
    "--false-stops",
    type=click.FloatRange(0, 0.5, min_open=True),
    default=0.05,
    show_default=True,
    help="Rate of false stops on validation airports at which each alarm's threshold is set.",
)
@click.option(
    "--rule",
    type=click.Choice(["pictures", "airports", "median"]),
    default="pictures",
    show_default=True,
    help="What thresholds rest on: pictures as if exchangeable; airports (K allow no rate below 1 / (K + 1));"
    " or the median of the airports' own, without a guarantee.",
)
@click.option(
    "--steps", type=click.IntRange(1, 100_000), default=150, show_default=True, help="Of the learnt distance."
)
@SEED_OPTION
@KEEP
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="Monitor to write (.npz)."
)
def fit_command(
    model: str,
    dataset: Path,
    per_airport: int,
    val_per_airport: int,
    false_stops: float,
    rule: Rule,
    steps: int,
    seed: int,
    keep: Path | None,
    out: Path,
) -> None:
    """Fit the alarms of MODEL to training airports; validation airports set where they stop it.

    MODEL is a checkpoint of lard train or the name of a shipped model. Nothing outside of the domain is used.

    \b
    Examples:
      lard monitor fit fcos-s --data data/ortho --out fcos-s.monitor.npz
      lard monitor fit checkpoint.pt --data data/ortho --false-stops 0.1 --keep looks --out m.npz
    """
    from lard.assurance.domains import inside, read_shots, spread
    from lard.assurance.features import constant_of, open_model, refuse_learnt
    from lard.assurance.monitor_file import read_monitor, write_monitor
    from lard.assurance.monitors import check_sets, look_at
    from lard.assurance.monitors import fit as fit_monitor
    from lard.detect.models import resolve
    from lard.errors import DataError, ModelError, naming
    from lard.files import sha256_file

    _check_suffix(out)
    if out.exists():
        try:
            read_monitor(out)
        except ModelError as error:
            raise DataError(f"{out}: is no monitor and would be written over; name another file") from error
    path = resolve(model)
    checkpoint, weights = open_model(path), sha256_file(path)
    training = spread(inside(read_shots(dataset, "train")), per_airport)
    validation = spread(inside(read_shots(dataset, "val")), val_per_airport)
    refuse_learnt(checkpoint, validation)
    with naming(dataset):  # before minutes of looking
        check_sets(
            [shot.airport for shot in training], [shot.airport for shot in validation], false_stops, rule
        )
    seen = [
        look_at(checkpoint, weights, shots, keep, f"look at {name}")
        for name, shots in (("train", training), ("val", validation))
    ]
    fitted = fit_monitor(
        checkpoint.name, weights, constant_of(checkpoint), seen[0], seen[1], false_stops, steps, seed, rule
    )
    write_monitor(fitted, out)
    counts = f"{len(training)} pictures of {len(fitted.learnt_on)} airports"
    click.echo(f"{out}: fitted to {counts}, set on {len(validation)} of {len(fitted.set_on)}")
    for name, threshold in fitted.thresholds.items():
        click.echo(f"  {name:<22} stops above {threshold:.6g}")


def _check_suffix(out: Path) -> None:
    if out.suffix != ".npz":
        raise click.UsageError(f"--out {out}: a monitor is an npz file; end its name in .npz")
