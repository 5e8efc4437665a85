"""`lard footage`: pictures made elsewhere, matched to their poses, as a dataset folder."""

from __future__ import annotations

from pathlib import Path

import click

from lard.cli.options import CREDIT, runways_option

_SHOWN = 12


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--poses",
    required=True,
    type=click.Path(path_type=Path),
    help="Frames table (.parquet), LARD scenario (.yaml), Earth Studio project (.esp) or camera (.json).",
)
@click.option(
    "--expect",
    type=click.Path(path_type=Path),
    help="Scenario or frames the pictures were ordered with: poses and field of view must agree.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Dataset folder to write.")
@click.option("--dry-run", is_flag=True, help="Show the pairs and all faults; write nothing.")
@click.option(
    "--match", "how", default="auto", show_default=True, type=click.Choice(("auto", "name", "index"))
)
@click.option(
    "--source", default="footage", type=CREDIT, show_default=True, help="Name of the source in the manifest."
)
@click.option("--source-version", default="", type=CREDIT, help="Version of the simulator or globe.")
@click.option("--licence", default="", type=CREDIT, help="Licence of the pictures.")
@click.option("--attribution", default="", type=CREDIT, help="Whom to name beside the pictures.")
@click.option(
    "--trim", default="0,0,0,0", show_default=True, metavar="T,R,B,L",
    help="Borders that are no camera picture, such as a title bar: top, right, bottom, left in pixels.",
)  # fmt: skip
@click.option(
    "--window", metavar="WxH", help="The view before it was stretched to the files' size; needs --window-fov."
)
@click.option("--window-fov", "window_fov_deg", type=float, help="Horizontal field of view of --window.")
@click.option(
    "--watermark", "watermark_px", default=0, show_default=True, help="Height of each of two bands."
)
@click.option("--crop-watermark", is_flag=True, help="Take the bands away; the camera follows.")
@click.option("--airport", default="", help="Target where the poses name none.")
@click.option("--runway", default="", help="Target where the poses name none.")
@click.option("--odd", "odd_path", help="Domain that names the zone of each frame of a scenario file.")
@click.option("--earth", default="wgs84", show_default=True, type=click.Choice(("wgs84", "sphere6371010")))
@click.option("--timezone", default="solar", show_default=True, help="Zone of a scenario's local times.")
@click.option("--allow-missing", is_flag=True, help="Leave out frames without a picture, after naming them.")
@click.option("--accept-suspect", is_flag=True, help="Take blank and repeated pictures, after naming them.")
@runways_option
@click.option("--workers", type=int, help="Threads.  [default: LARD_WORKERS, else all]")
def footage(
    folder: Path, poses: Path, expect: Path | None, out: Path | None, dry_run: bool, how: str, source: str,
    source_version: str, licence: str, attribution: str, trim: str, window: str | None,
    window_fov_deg: float | None, watermark_px: int, crop_watermark: bool, airport: str, runway: str,
    odd_path: str | None, earth: str, timezone: str, allow_missing: bool, accept_suspect: bool, runways: str,
    workers: int | None,
) -> None:  # fmt: skip
    """Match the pictures of FOLDER to poses and write them as a dataset folder.

    Pictures are matched by name (the frame id) or by the number in their names, checked for count, size,
    blank and repeated views, and refused as a whole while anything does not fit.

    \b
    Examples:
      lard footage footage --poses LFPO_24.json --expect LFPO_24.yaml --airport LFPO --runway 24 \\
          --watermark 300 --source earth-studio --dry-run
      lard footage output/KATL --poses KATL.yaml --source msfs --trim 38,0,0,0 \\
          --window 3840x2122 --window-fov 73 --out data/msfs
      lard footage shots --poses frames.parquet --match index --out data/shots
    """
    import polars as pl

    from lard.airports.files import open_database
    from lard.errors import SourceError, naming
    from lard.intake.footage.collect import Origin, collect, disagreements, inspect, plan
    from lard.intake.footage.fit import Fit
    from lard.odd import load_spec
    from lard.scenario.formats import frames_of_scenario, read_scenario
    from lard.scenario.losses import assumed
    from lard.tables import FRAMES, POSE, read_table
    from lard.workers import default_workers

    if not dry_run and out is None:
        raise SourceError("--out names the dataset folder to write; or look first with --dry-run")
    database = open_database(runways)
    spec = load_spec(odd_path) if odd_path else None

    def frames_at(path: Path) -> pl.DataFrame:
        if path.suffix.lower() == ".parquet":
            return read_table(path, FRAMES, POSE)
        scenario = read_scenario(path, airport=airport, runway=runway, timezone=timezone)
        for note in assumed(scenario):
            click.echo(f"{path}: {note}", err=True)
        return frames_of_scenario(scenario, database, spec=spec, earth=earth, timezone=timezone)

    with naming(poses):
        frames = frames_at(poses)
    band = watermark_px if crop_watermark else 0
    fit = Fit(_borders(trim), _size(window), window_fov_deg, (band, 0, band, 0))
    threads = workers or int(default_workers())
    with naming(poses):
        pairs = plan(frames, folder, how)
    click.echo(f"{len(pairs.paths)} of {len(frames)} frames matched by {pairs.how}")
    if dry_run:
        for frame_id, path in pairs.paths.items():
            click.echo(f"  {frame_id:<32} {path.name}")
    faults = disagreements(frames, frames_at(expect)) if expect else []
    if pairs.frames_without:
        names = ", ".join(pairs.frames_without[:_SHOWN]) + (
            " ..." if len(pairs.frames_without) > _SHOWN else ""
        )
        text = f"{len(pairs.frames_without)} frames without a picture: {names}"
        click.echo(text, err=True)
        if not allow_missing:
            faults.append(f"{text}; add the pictures, or leave the frames out with --allow-missing")
    if pairs.pictures_without:
        names = ", ".join(path.name for path in pairs.pictures_without[:_SHOWN])
        faults.append(f"{len(pairs.pictures_without)} pictures of no frame: {names}; move them elsewhere")
    with naming(poses):
        found = inspect(frames, pairs, fit, threads)
    suspect = [*found.blank, *found.repeated]
    faults += [*found.unreadable, *found.misfits]
    for text in suspect if accept_suspect else []:
        click.echo(f"accepted: {text}", err=True)
    if not accept_suspect:
        faults += suspect
    if not pairs.paths:
        faults.append(f"{folder}: no picture belongs to any frame of {poses}")
    if faults:
        rest = [f"... and {len(faults) - 20} more"] if len(faults) > 20 else []
        raise SourceError("\n".join([f"{folder} does not fit {poses}:", *faults[:20], *rest]))
    if dry_run:
        click.echo("all fits; run again with --out and without --dry-run")
        return
    assert out is not None
    origin = Origin(source, source_version, licence, attribution)
    left = 0 if crop_watermark else watermark_px
    manifest = collect(frames, pairs, fit, origin, database, out, threads, watermark_px=left)
    click.echo(f"{out}: {len(manifest)} {source} pictures; label them with `lard label {out}/frames.parquet`")


def _borders(text: str) -> tuple[int, int, int, int]:
    from lard.errors import SourceError

    parts = text.split(",")
    if len(parts) != 4 or not all(part.strip().isdecimal() for part in parts):
        raise SourceError(f"--trim {text!r}: expected top,right,bottom,left in pixels, for example 38,0,0,0")
    top, right, bottom, left = (int(part) for part in parts)
    return top, right, bottom, left


def _size(text: str | None) -> tuple[int, int] | None:
    from lard.errors import SourceError

    if text is None:
        return None
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise SourceError(f"--window {text!r}: expected width x height, for example 3840x2122")
    return int(width), int(height)
