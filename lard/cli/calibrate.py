"""`lard calibrate`: corrections of runways, camera and altitude datum from a source's own pictures."""

from __future__ import annotations

from pathlib import Path

import click

from lard.cli.options import runways_of, runways_option


@click.command()
@click.argument("dataset", type=click.Path(path_type=Path))
@runways_option
@click.option(
    "--estimate",
    default="fov,pitch,yaw,roll,altitude,lateral,profile",
    show_default=True,
    help="Causes to look for, of fov, pitch, yaw, roll, lever (camera offset), altitude (datum), "
    "airport-altitude, lateral, ends (right, along, up of every runway end), width, profile (how far a "
    "runway's middle lies above the line between its thresholds).",
)
@click.option("--source", help="Name written into the correction table.  [default: the dataset's]")
@click.option(
    "--reach", "reach_m", default=6000.0, show_default=True, help="Use runways up to so many metres away."
)
@click.option(
    "--reach-px", default=8.0, show_default=True, help="Search so many pixels to either side of a line."
)
@click.option(
    "--paint",
    help="How the source paints its runways: standard (ICAO and FAA) or flightgear.  "
    "[default: flightgear for its pictures, else standard]",
)
@click.option("--odd", "odd_path", help="Spec of the frames, if they name one that is not shipped.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the results.")
@click.option("--workers", type=int, help="Threads.  [default: LARD_WORKERS, else all]")
def calibrate(
    dataset: Path, runways: str, estimate: str, source: str | None, reach_m: float, reach_px: float,
    paint: str | None, odd_path: str | None, out: Path, workers: int | None,
) -> None:  # fmt: skip
    """Find runway lines in the pictures of DATASET and say what would put the projected ones onto them.

    Writes calibration.json (estimates, uncertainties, what cannot be told apart), corrections.csv (for
    `lard airports export --corrections`), frames.parquet (camera corrected, and the approach to the corrected
    runways) and residuals.
    A cause that the pictures do not decide is reported and left at 0.

    \b
    Examples:
      lard calibrate data/flightgear --runways fg_runways --out calibration
      lard calibrate data/xplane --estimate altitude,ends,width --out calibration
    """
    from lard.calibrate.outputs import FILES, OWN_KEYS, write_outputs
    from lard.calibrate.scene import scene_of
    from lard.calibrate.solve import MOST_AFTER_PX
    from lard.calibrate.solve import calibrate as solve
    from lard.errors import DataError, naming
    from lard.files import keep_others
    from lard.labels.judging import judging_spec
    from lard.quality.measures.paint import PAINTS, paint_of
    from lard.tables import FRAMES, MANIFEST, POSE, read_table
    from lard.workers import default_workers

    keep_others(out, FILES, FILES[0], keys=OWN_KEYS)
    frames = read_table(dataset / "frames.parquet", FRAMES, POSE)
    manifest = read_table(dataset / "manifest.parquet", MANIFEST)
    images = dict(zip(manifest["frame_id"], manifest["image"], strict=True))
    lacking = [name for name in frames["frame_id"] if name not in images]
    if lacking:
        raise DataError(
            f"{dataset / 'manifest.parquet'}: no picture for frame {', '.join(lacking[:3])} and "
            f"{max(len(lacking) - 3, 0)} more; render them first"
        )
    database = runways_of(dataset / "frames.parquet", frames, runways, "calibrated against")
    with naming(dataset / "frames.parquet"):
        spec, _, note = judging_spec(frames, odd_path)
    if note:
        click.echo(f"note: {note}", err=True)
    groups = [name.strip() for name in estimate.split(",") if name.strip()]
    with naming(dataset / "frames.parquet"):
        scene = scene_of(frames, database, groups, reach_m)
    origin = str(manifest["source"][0]) if len(manifest) else dataset.name
    with naming(dataset):
        found = solve(
            scene, lambda name: dataset / images[name], workers or int(default_workers()), reach_px,
            paint=paint_of(paint or (origin if origin in PAINTS else "standard")),
        )  # fmt: skip
    name = source or origin
    paths = write_outputs(
        found, scene, frames, database, name, out, (spec.lateral_apex_m, spec.vertical_apex_m)
    )
    width = max(len(parameter) for parameter in found.parameters)
    for parameter, value, sd, resolved in zip(
        found.parameters, found.theta, found.sd, found.resolved, strict=True
    ):
        note = "" if resolved else "   not decided by these pictures, left at 0"
        click.echo(f"{parameter:<{width}} {value:+9.3f} +- {sd:.3f}{note}")
    for causes in found.ambiguous:
        if len(causes) > 1:
            click.echo(f"cannot tell apart: {', '.join(causes)}")
    medians = [float(abs(values).mean()) for values in (found.before_px, found.after_px)]
    click.echo(
        f"{len(found.measured)} lines in {found.frames_used} frames: mean residual "
        f"{medians[0]:.2f} px before, {medians[1]:.2f} px after"
    )
    click.echo(f"{paths[0].parent}: {', '.join(path.name for path in paths)}")
    if not found.fits:
        raise DataError(
            f"{dataset}: the lines do not fit after all (median residual above {MOST_AFTER_PX:g} px): this "
            "source paints or paves its runways elsewhere than --paint says, or pictures and frames do not "
            "belong together; no correction is written"
        )
