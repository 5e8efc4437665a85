"""What `lard tiles fetch` does for each airport, and what it says of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from lard.airports.model import Airport
    from lard.ground.continued import Beyond
    from lard.ground.fetched.cache import TileCache
    from lard.ground.fetched.http import Http
    from lard.ground.fetched.local import RasterGround
    from lard.ground.fetched.plan import GroundRequest
    from lard.ground.fetched.source import TileSource


class Job(NamedTuple):
    """An airport and what is asked for it."""

    airport: Airport
    request: GroundRequest
    free: bool  # whether reach and levels follow the imagery
    beyond: Beyond


def from_rasters(jobs: list[Job], spec: str, out: Path, dry_run: bool) -> None:
    from lard.ground.fetched.local import ground_of_rasters, open_rasters

    for airport, request, free, beyond in jobs:
        if dry_run:
            _say_cover(open_rasters(airport, spec, replace(request, allow_holes=True), free), request)
            continue
        manifest, kept = ground_of_rasters(airport, spec, out, request, free=free, beyond=beyond)
        _say(airport.icao, out, manifest, kept, "")


def _say_cover(opened: RasterGround, request: GroundRequest) -> None:
    """Coverage of every level asked for, and the reach that fits."""
    from lard.ground.fetched.reach import fitting_cover

    icao = opened.airport.icao
    click.echo(f"{icao}: {opened.sampler.name}, {opened.sampler.gsd_m():.3g} m per pixel")
    for number, grid in enumerate(opened.grids):
        size = f"{grid.width_px * grid.gsd_m / 1000:.2f} x {grid.height_px * grid.gsd_m / 1000:.2f} km"
        click.echo(
            f"{icao} level {number}: {grid.gsd_m:g} m, {size}, {opened.cover.share_of(grid):.1%} imagery"
        )
    fits = fitting_cover(request, opened.cover, opened.zones)
    if fits is None:
        click.echo(f"{icao}: no square around the airport that holds every runway is all imagery")
    else:
        click.echo(f"{icao}: --reach {fits.reach_m:g} --levels {fits.levels} fits")


def from_tiles(jobs: list[Job], spec: str, out: Path, cache: Path, given: dict[str, Any]) -> None:
    from lard.ground.fetched.fetch import fetch_ground
    from lard.ground.fetched.providers import open_source

    asked = http(given)
    source, store = open_source(spec, asked, cache, given["key"])
    for airport, request, free, beyond in jobs:
        if given["dry_run"]:
            _say_plan(source, store, airport, request)
            continue
        result = fetch_ground(airport, source, store, asked, out, request, free=free, beyond=beyond)
        report = result.report
        megabytes = report.fetched_bytes / 1e6
        parts = [f"{report.fetched} tiles fetched ({megabytes:.1f} MB)", f"{report.kept} were there"]
        parts += [f"{report.retries} retries"] if report.retries else []
        parts += [f"{len(report.holes)} holes"] if report.holes else []
        parts += [f"{len(report.failed)} failed"] if report.failed else []
        _say(airport.icao, out, result.manifest, result.kept, ", ".join(parts))


def _say_plan(source: TileSource, store: TileCache, airport: Airport, request: GroundRequest) -> None:
    """Tiles of every level, how many of them are known to be there or not, and the reach that fits."""
    from lard.ground.fetched.known import known_fit, known_tiles
    from lard.ground.fetched.plan import plan_levels

    for number, plan in enumerate(plan_levels(source, airport, request)):
        there, absent = known_tiles(source, store, plan)
        known = f", {there} there, {absent} not" if there or absent else ""
        click.echo(
            f"{airport.icao} level {number}: {plan.grid.gsd_m:g} m from zoom {plan.matrix.zoom} "
            f"({plan.source_gsd_m:.3g} m), {len(plan.tiles)} tiles{known}"
        )
    fits = known_fit(source, store, airport, request)
    if fits is None:
        click.echo(f"{airport.icao}: as far as is known here, the source holds no square around the airport")
    else:
        asked = (
            "" if source.read is not None else ", as far as is known here; fetching asks for its rim first"
        )
        click.echo(f"{airport.icao}: --reach {fits.reach_m:g} --levels {fits.levels} fits{asked}")


def http(given: dict[str, Any]) -> Http:
    from lard.ground.fetched.http import Http, HttpSettings

    agent = {"user_agent": given["user_agent"]} if given.get("user_agent") else {}
    settings = HttpSettings(
        rate_per_s=given.get("rate_per_s", 10.0), threads=given.get("threads", 4),
        attempts=given.get("attempts", 6),
        allow_hosts=tuple(given["allow_hosts"]), offline=given["offline"],
        total_limit_bytes=int(given.get("max_gb", 20.0) * 1e9), **agent,
    )  # fmt: skip
    return Http(settings)


def _say(icao: str, out: Path, manifest: dict[str, Any], kept: bool, fetched: str) -> None:
    state = "was up to date" if kept else "written"
    wanted = manifest["request"]
    state += f", --reach {wanted['reach_m']:g} --levels {wanted['levels']}"
    state += ", painted beyond the imagery" if "beyond" in manifest else ""
    filled = f", {len(manifest['holes'])} holes filled" if manifest.get("holes") else ""
    click.echo(f"{out / icao}: {state}{filled}" + (f"; {fetched}" if fetched else ""))
    click.echo(f"  licence: {manifest['licence']}\n  attribution: {manifest['attribution']}")
