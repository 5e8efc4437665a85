"""`lard tiles`: aerial imagery from tile servers and files into ground folders, checked and described."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lard.cli.options import CREDIT, runways_option
from lard.cli.tiles_fetching import Job, from_rasters, from_tiles, http

cache_option = click.option(
    "--cache", default="data/tile_cache", show_default=True, type=click.Path(path_type=Path),
    help="Folder of the fetched tiles, shared by all airports.",
)  # fmt: skip
offline_option = click.option(
    "--offline", is_flag=True, envvar="LARD_OFFLINE", help="Only what is in the cache.  [env: LARD_OFFLINE]"
)
key_option = click.option(
    "--key", help="Key or token.  [env: LARD_BING_KEY for bing, LARD_TILE_KEY for the others]"
)
allow_host_option = click.option(
    "--allow-host", "allow_hosts", multiple=True, metavar="HOST[:PORT]",
    help="A host inside your network that may be asked; private addresses are refused otherwise.",
)  # fmt: skip


@click.group()
def tiles() -> None:
    """Aerial imagery of tile servers, MBTiles and rasters as ground imagery for the renderer.

    \b
    Sources are KIND:ADDRESS#OPTIONS:
      xyz:https://host/{z}/{x}/{y}.jpg#zooms=0-19   tms:...   (also {-y} {q} {s} {key}; a folder works too)
      bing:Aerial                                   (key from --key or LARD_BING_KEY)
      arcgis:https://host/arcgis/rest/services/NAME/MapServer
      wmts:https://host/WMTSCapabilities.xml#layer=NAME&matrixset=NAME
      mbtiles:airport.mbtiles
      raster:ortho/*.tif                            (GeoTIFF, COG, VRT in any CRS)

    \b
    Examples:
      lard tiles fetch LFPO --source 'xyz:https://tiles.example.org/{z}/{x}/{y}.jpg' --gsd 0.5 --reach 3000
      lard tiles verify data/ground/LFPO --frames frames.parquet
      lard tiles info data/tile_cache
    """


@tiles.command()
@click.argument("airports", nargs=-1, required=True)
@click.option("--source", "spec", required=True, metavar="KIND:ADDRESS", help="See `lard tiles --help`.")
@click.option("--gsd", "gsd_m", default=0.5, show_default=True, help="Finest pixel, metres.")
@click.option(
    "--reach", "reach_m", type=float,
    help="Half side of the finest level in metres; it grows to hold every runway.  "
    "[default: 3000, or as far as the imagery goes]",
)  # fmt: skip
@click.option(
    "--levels", type=int,
    help="Levels of halving resolution and growing reach.  [default: 5, or as many as the imagery holds]",
)  # fmt: skip
@click.option("--out", default="data/ground", show_default=True, type=click.Path(path_type=Path))
@cache_option
@key_option
@click.option("--licence", type=CREDIT, help="Licence of the imagery, for the manifests.")
@click.option("--attribution", type=CREDIT, help="Who is to be named; otherwise what the source says.")
@click.option(
    "--coarse", default="average", show_default=True, type=click.Choice(["average", "zooms"]),
    help="Coarser levels from the finer one where it reaches, or all from coarser zooms.",
)  # fmt: skip
@click.option(
    "--allow-holes", is_flag=True, help="Fill holes away from runways from coarser zooms, recorded."
)
@click.option(
    "--beyond", default="nothing", show_default=True, type=click.Choice(["nothing", "painted"]),
    help="What goes on where the imagery ends: painted ground, feathered and in the colours of its rim.",
)  # fmt: skip
@click.option(
    "--season", default="summer", show_default=True,
    type=click.Choice(["summer", "autumn", "winter", "spring"]), help="Of what is painted.",
)  # fmt: skip
@click.option("--retry-holes", is_flag=True, help="Ask again for tiles the server said it does not have.")
@offline_option
@allow_host_option
@click.option("--rate", "rate_per_s", default=10.0, show_default=True, help="Most requests per second.")
@click.option("--threads", default=4, show_default=True, help="Most requests at a time.")
@click.option("--attempts", default=6, show_default=True, help="Tries per tile before it counts as failed.")
@click.option("--max-tiles", default=100_000, show_default=True, help="Most tiles per airport.")
@click.option("--max-gb", default=20.0, show_default=True, help="Most gigabytes of tiles per airport.")
@click.option("--user-agent", help="What to call ourselves; some providers want a contact in it.")
@click.option(
    "--jpeg-quality", default=93, show_default=True, help="Of the ground folder's tiles; 0 = lossless."
)
@click.option("--dry-run", is_flag=True, help="Only say what would be fetched.")
@runways_option
def fetch(airports: tuple[str, ...], spec: str, out: Path, cache: Path, runways: str, **given: Any) -> None:
    """Fetch imagery around AIRPORTS and write a ground folder for each.

    A stopped run goes on where it was; the same command with everything there asks the server nothing but its
    description. Tiles are kept in the cache with their checksums.

    \b
    Examples:
      lard tiles fetch LFPO --source 'xyz:https://tiles.example.org/{z}/{x}/{y}.jpg' --gsd 0.5 --reach 3000
      LARD_BING_KEY=... lard tiles fetch EGLL --source bing:Aerial --gsd 0.3 --dry-run
      lard tiles fetch LFBO --source 'raster:ortho/*.tif' --licence 'Licence Ouverte 2.0' --attribution IGN
      lard tiles fetch LFPO --source mbtiles:paris.mbtiles --allow-holes
    """
    from lard.airports.files import open_database
    from lard.ground.continued import Beyond
    from lard.ground.fetched.plan import GroundRequest
    from lard.ground.fetched.providers import RASTER, split_spec

    db = open_database(runways)
    places = [db.airport(icao) for icao in sorted(set(airports))]
    free = given["reach_m"] is None and given["levels"] is None
    stated = {name: given[name] for name in ("reach_m", "levels") if given[name] is not None}
    request = GroundRequest(
        given["gsd_m"], coarse=given["coarse"], allow_holes=given["allow_holes"],
        retry_holes=given["retry_holes"], max_tiles=given["max_tiles"],
        jpeg_quality=given["jpeg_quality"] or None, beyond=given["beyond"], **stated,
    )  # fmt: skip
    jobs = [Job(place, request, free, Beyond.of(place, db, given["season"])) for place in places]
    spec = _with_credits(spec, given["licence"], given["attribution"])
    try:
        if split_spec(spec)[0] == RASTER:
            from_rasters(jobs, spec, out, given["dry_run"])
        else:
            from_tiles(jobs, spec, out, cache, given)
    except KeyboardInterrupt:
        click.echo("stopped; what was fetched is kept, the same command goes on from there", err=True)
        raise SystemExit(130) from None


def _with_credits(spec: str, licence: str | None, attribution: str | None) -> str:
    """The source with licence and attribution among its options."""
    from urllib.parse import urlencode

    named = {name: text for name, text in (("licence", licence), ("attribution", attribution)) if text}
    if not named:
        return spec
    return f"{spec}{'&' if '#' in spec else '#'}{urlencode(named)}"


@tiles.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--frames", "frames_path", help="Frames table: is the imagery fine enough for its nearest pose?"
)
@click.option("--quiet", is_flag=True, help="Only errors and warnings.")
@runways_option
def verify(folder: Path, frames_path: str | None, quiet: bool, runways: str) -> None:
    """Check a tile cache or ground folders: checksums, pictures, holes, runways covered, resolution.

    Exits with 1 when there is an error.

    \b
    Examples:
      lard tiles verify data/ground --frames frames.parquet
      lard tiles verify data/tile_cache
    """
    from lard.airports.files import open_database
    from lard.errors import naming
    from lard.ground.fetched.verify import ERROR, NOTE, folders_of, verify_cache, verify_ground
    from lard.tables import FRAMES, POSE, read_table

    caches, grounds = folders_of(folder)
    frames = read_table(frames_path, FRAMES, POSE) if frames_path else None
    db = open_database(runways)
    findings = [finding for cache in caches for finding in verify_cache(cache)]
    with naming(frames_path or folder):
        findings += [finding for ground in grounds for finding in verify_ground(ground, db, frames)]
    for finding in findings:
        if not quiet or finding.severity != NOTE:
            click.echo(str(finding))
    if any(finding.severity == ERROR for finding in findings):
        raise SystemExit(1)


@tiles.command()
@click.argument("what", metavar="FOLDER_OR_SOURCE")
@cache_option
@key_option
@offline_option
@allow_host_option
def info(what: str, cache: Path, **given: Any) -> None:
    """Say what a cache, a ground folder or a source holds: zooms, sizes, licence, attribution, coverage.

    \b
    Examples:
      lard tiles info data/ground/LFPO
      lard tiles info data/tile_cache
      lard tiles info 'arcgis:https://host/arcgis/rest/services/NAME/MapServer'
    """
    from lard.ground.fetched.describe import describe_cache, describe_ground
    from lard.ground.fetched.verify import folders_of

    if Path(what).is_dir():
        caches, grounds = folders_of(Path(what))
        for lines in [*map(describe_cache, caches), *map(describe_ground, grounds)]:
            click.echo("\n".join(lines))
        return
    from lard.ground.fetched.providers import RASTER, open_source, split_spec

    if split_spec(what)[0] == RASTER:
        from lard.ground.fetched.local import raster_paths
        from lard.ground.fetched.raster_files import describe_raster

        for path in raster_paths(what):
            click.echo(describe_raster(path))
        return
    source, _ = open_source(what, http(given), cache, given["key"])
    click.echo(f"{source.identity}\n  licence      {source.licence}")
    for text in sorted({credit.text for credit in source.credits}):
        click.echo(f"  attribution  {text}")
    if source.note:
        click.echo(f"  note         {source.note}")
    for matrix in source.matrices:
        click.echo(
            f"  zoom {matrix.zoom:2d}      {matrix.crs}, {matrix.pixel_x:.6g} units per pixel, "
            f"tiles of {matrix.tile_width_px} x {matrix.tile_height_px} px"
        )
