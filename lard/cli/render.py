"""`lard render` and `lard preview`: frames from ground imagery, one picture from a few numbers."""

from __future__ import annotations

import click

from lard.cli.airports import runways_option


@click.command()
@click.argument("frames_path", metavar="FRAMES")
@click.option(
    "--source",
    default="ortho",
    show_default=True,
    type=click.Choice(["ortho"]),
    help="Where pixels come from: ortho is the project's renderer over ground imagery.",
)
@click.option("--ground", default="data/ground", show_default=True, help="Folder with a folder per airport.")
@click.option("--out", required=True, help="Dataset folder to write: images, frames and manifest.")
@click.option(
    "--workers", help="Processes, or a Dask scheduler's address.  [default: LARD_WORKERS, else all]"
)
@click.option("--resume/--no-resume", default=True, show_default=True, help="Keep finished pictures.")
@click.option("--shard", default="0/1", show_default=True, help="i/n renders only the i-th of n parts.")
@click.option("--jpeg-quality", default=92, show_default=True, type=int)
@click.option(
    "--supersample", default=2, show_default=True, type=int, help="Samples per side of a fine pixel."
)
@runways_option
def render(
    frames_path: str,
    source: str,
    ground: str,
    out: str,
    workers: str | None,
    resume: bool,
    shard: str,
    jpeg_quality: int,
    supersample: int,
    runways: str,
) -> None:
    """Render the frames of a table (parquet) into a dataset folder.

    A run may be stopped at any moment: the same command goes on from there and ends with the same bytes.

    \b
    Examples:
      lard render frames.parquet --ground data/ground --out data/ortho --workers 4
      lard render frames.parquet --out data/ortho --workers tcp://scheduler:8786
      lard render frames.parquet --out data/ortho --shard 3/8    # and at last once without --shard
    """
    from lard.airports.files import open_database
    from lard.imagery.render import RenderSettings, render_frames
    from lard.imagery.renderer import Quality
    from lard.tables import FRAMES, read_table
    from lard.workers import default_workers

    part = _shard_of(shard)
    manifest = render_frames(
        read_table(frames_path, FRAMES),
        ground,
        out,
        workers or default_workers(),
        open_database(runways),
        settings=RenderSettings(jpeg_quality, Quality(supersample=supersample)),
        resume=resume,
        shard=part,
    )
    note = f", part {shard}; run once without --shard to write the tables" if part[1] > 1 else ""
    click.echo(f"{out}: {len(manifest)} {source} pictures{note}")


@click.command()
@click.argument("airport")
@click.argument("runway")
@click.option(
    "--along", "along_track_m", default=1500.0, show_default=True, help="Metres before the threshold."
)
@click.option(
    "--lateral", "lateral_deg", default=0.0, show_default=True, help="Degrees right of the centreline."
)
@click.option("--vertical", "vertical_deg", default=3.0, show_default=True, help="Glide angle in degrees.")
@click.option(
    "--yaw", "yaw_offset_deg", default=0.0, show_default=True, help="Degrees right of the runway's course."
)
@click.option("--pitch", "pitch_deg", default=-3.0, show_default=True, help="Degrees, nose up positive.")
@click.option("--roll", "roll_deg", default=0.0, show_default=True, help="Degrees, right wing down positive.")
@click.option("--visibility", "visibility_m", default=20000.0, show_default=True, help="Metres.")
@click.option(
    "--fov", "fov_deg", default=60.0, show_default=True, help="Horizontal field of view in degrees."
)
@click.option("--size", default="1024x1024", show_default=True, help="Width x height in pixels.")
@click.option("--ground", default="data/ground", show_default=True, help="Folder with a folder per airport.")
@runways_option
@click.option("--out", default="preview.jpg", show_default=True, help="Picture to write (.jpg or .png).")
def preview(
    airport: str,
    runway: str,
    along_track_m: float,
    lateral_deg: float,
    vertical_deg: float,
    yaw_offset_deg: float,
    pitch_deg: float,
    roll_deg: float,
    visibility_m: float,
    fov_deg: float,
    size: str,
    ground: str,
    runways: str,
    out: str,
) -> None:
    """Render one view of a runway from a few numbers.

    \b
    Examples:
      lard preview LFPO 06 --along 3000 --roll 5 --out view.jpg
      lard preview KATL 26L --along 400 --visibility 8000 --size 2448x2048
    """
    from pathlib import Path

    import numpy as np
    from PIL import Image

    from lard.airports.files import open_database
    from lard.approach import Approaches, pose_of
    from lard.camera import Camera
    from lard.errors import DataError
    from lard.imagery.ground.pyramid import load_ground
    from lard.imagery.ground.terrain import surface_of
    from lard.imagery.renderer import Conditions, render_frame
    from lard.tables import atomic_path

    if Path(out).suffix.lower() not in (".jpg", ".jpeg", ".png"):
        raise DataError(f"--out {out!r}: expected a name ending in .jpg or .png")
    width, _, height = size.lower().partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise DataError(f"--size {size!r}: expected width x height, for example 1024x1024")
    place = open_database(runways).airport(airport)
    end = place.runway(runway)
    camera = Camera.from_fov(int(width), int(height), fov_deg)
    imagery = load_ground(Path(ground) / place.icao)
    surface = surface_of(place, imagery.lat0_deg, imagery.lon0_deg)
    values = (along_track_m, lateral_deg, vertical_deg, yaw_offset_deg, pitch_deg, roll_deg)
    approach = Approaches(*(np.array([value]) for value in values))
    conditions = Conditions(visibility_m, noise_sigma=1.0, noise_key=f"{place.icao}/{end.ident}")
    image = render_frame(imagery, surface, pose_of(end, approach), camera, conditions)
    with atomic_path(out) as temporary:
        Image.fromarray(image).save(temporary, quality=92, subsampling=0)
    click.echo(f"{out}: {place.icao} {end.ident} from {along_track_m:g} m")


def _shard_of(text: str) -> tuple[int, int]:
    from lard.errors import DataError

    first, _, count = text.partition("/")
    if not (first.isdigit() and count.isdigit() and int(first) < int(count)):
        raise DataError(f"--shard {text!r}: expected i/n with i from 0 to n - 1, for example 0/8")
    return int(first), int(count)
