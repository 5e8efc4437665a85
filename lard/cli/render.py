"""`lard render` and `lard preview`: frames from ground imagery, one picture from a few numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lard.cli.options import ALL_WORKERS, DEM_HELP, TERRAIN, runways_of, runways_option, workers_option
from lard.cli.remote import is_url
from lard.cli.simulators import SOURCES, check_options, render_elsewhere, simulator_options


@click.command()
@click.argument("frames_path", metavar="FRAMES")
@click.option(
    "--source",
    default="ortho",
    show_default=True,
    type=click.Choice(SOURCES),
    help="Where pixels come from: ortho is the project's renderer over ground imagery.",
)
@click.option(
    "--ground", default="data/ground", show_default=True, help="Folder, or URL, with a folder per airport."
)
@click.option("--out", required=True, help="Dataset to write, a folder or URL: images, frames and manifest.")
@workers_option(ALL_WORKERS)
@click.option("--resume/--no-resume", default=True, show_default=True, help="Keep finished pictures.")
@click.option("--shard", default="0/1", show_default=True, help="i/n renders the i-th of n parts, from 0.")
@click.option("--jpeg-quality", default=92, show_default=True, type=int)
@click.option(
    "--supersample", default=2, show_default=True, type=int, help="Samples per side of a fine pixel."
)
@click.option("--dem", type=TERRAIN, help=DEM_HELP)
@click.option("--allow-coarse", is_flag=True, help="Render even from ground imagery far too coarse.")
@simulator_options
@runways_option
@click.pass_context
def render(
    ctx: click.Context,
    frames_path: str,
    source: str,
    ground: str,
    out: str,
    workers: str | None,
    resume: bool,
    shard: str,
    jpeg_quality: int,
    supersample: int,
    dem: Path | None,
    allow_coarse: bool,
    runways: str,
    **options: Any,
) -> None:
    """Render the frames of a table (parquet) into a dataset folder.

    Light, weather and sensor come from the table's columns (docs/conditions.md). A run may be stopped at any
    moment: the same command goes on from there and ends with the same bytes.

    \b
    Examples:
      lard render frames.parquet --ground data/ground --out data/ortho --workers 4
      lard render frames.parquet --out data/ortho --workers tcp://scheduler:8786
      lard render frames.parquet --out data/ortho --workers slurm:site.yaml
      lard render frames.parquet --ground s3://bucket/ground --out s3://bucket/ortho --workers 8
      lard render frames.parquet --out data/ortho --shard 3/8    # and at last once without --shard
      lard render frames.parquet --out data/ortho --dem data/srtm
      lard render frames.parquet --out data/ortho --dem shipped    # coarse hills on the horizon
      lard render frames.parquet --source flightgear --runways data/runways_flightgear --out data/flightgear
      lard render frames.parquet --source xplane --screenshots "X-Plane 12/Output/screenshots" --out data/xp
    """
    from contextlib import ExitStack
    from functools import partial

    from lard.render.beyond import beyond_remarks
    from lard.render.conditions import remarks
    from lard.render.driver import RenderSettings, render_frames
    from lard.render.renderer import Quality
    from lard.render.stored import StoreGround, StorePlace, ground_manifests
    from lard.store.urls import checked_url
    from lard.tables import FRAMES, POSE, read_table
    from lard.workers import default_workers

    check_options(ctx, source)
    if source != "ortho" and (is_url(out) or is_url(ground)):
        raise click.UsageError(f"--source {source} writes into a folder; `lard push` it afterwards")
    part = _shard_of(shard)
    frames = read_table(frames_path, FRAMES, POSE)
    database = runways_of(frames_path, frames, runways, "rendered with")
    if source == "ortho":
        for remark in remarks(frames):
            click.echo(f"{frames_path}: {remark}", err=True)
        with ExitStack() as stack:
            grounds, ground_of = Path(ground), None
            if is_url(ground):
                grounds = stack.enter_context(ground_manifests(ground, set(frames["airport"])))
                ground_of = partial(StoreGround, checked_url(ground))
            manifest = render_frames(
                frames,
                grounds,
                StorePlace(checked_url(out)) if is_url(out) else out,
                workers or default_workers(),
                database,
                settings=RenderSettings(jpeg_quality, Quality(supersample=supersample)),
                resume=resume,
                shard=part,
                dem=dem,
                coarse=allow_coarse,
                ground_of=ground_of,
            )
    else:
        common = {"resume": resume, "shard": part, "jpeg_quality": jpeg_quality}
        manifest = render_elsewhere(
            source, frames, out, workers, database, common, {**options, "supersample": supersample}
        )
    note = f", part {shard}; run once without --shard to write the tables" if part[1] > 1 else ""
    click.echo(f"{out}: {len(manifest)} {source} pictures{note}")
    if source == "ortho":
        for remark in beyond_remarks(manifest):
            click.echo(remark)


def _shard_of(text: str) -> tuple[int, int]:
    from lard.errors import DataError

    first, _, count = text.partition("/")
    if not (first.isdecimal() and count.isdecimal() and int(first) < int(count)):
        raise DataError(f"--shard {text!r}: expected i/n with i from 0 to n - 1, for example 0/8")
    return int(first), int(count)
