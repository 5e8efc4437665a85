"""What `lard render` needs for sources that are not the project's own renderer: their options and calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from lard.cli.options import CREDIT

if TYPE_CHECKING:
    import polars as pl

    from lard.airports.model import RunwayDatabase

SOURCES = ("ortho", "flightgear", "xplane", "cesium")
_OPTIONS = {
    "ortho": ("ground", "supersample", "dem", "allow_coarse"),
    "flightgear": ("supersample", "undrawn"),
    "xplane": ("screenshots", "xplane_host", "xplane_port", "xplane_web", "undrawn"),
    "cesium": ("undrawn", "cesium_url", "cesium_layer", "geoid", "undulation", "licence", "attribution"),
}
"""Options that mean something to some sources only."""


def simulator_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of simulators and globes to a command."""
    options = [
        click.option("--screenshots", type=click.Path(path_type=Path), help="X-Plane's Output/screenshots."),
        click.option("--xplane-host", default="127.0.0.1", show_default=True),
        click.option("--xplane-port", default=49000, show_default=True, help="X-Plane's UDP port."),
        click.option("--xplane-web", default="", help="Datarefs by X-Plane 12's Web API at this address."),
        click.option("--cesium-url", default="http://127.0.0.1:8082", show_default=True),
        click.option(
            "--cesium-layer", default="default", show_default=True, help="Layer of the globe's page."
        ),
        click.option("--geoid", default="", help="Grid of geoid undulations, for a globe's altitudes."),
        click.option(
            "--undulation", multiple=True, metavar="ICAO=M", help="Geoid at an airport, instead of a grid."
        ),
        click.option(
            "--undrawn",
            default="refuse",
            show_default=True,
            type=click.Choice(("refuse", "forget")),
            help="Light and weather that the source does not draw: an error, or null in the frames kept.",
        ),
        click.option("--licence", default="", type=CREDIT, help="Licence of a globe's imagery."),
        click.option(
            "--attribution", default="", type=CREDIT, help="Whom to name beside a globe's pictures."
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def check_options(ctx: click.Context, source: str) -> None:
    """Refuse options that the source would pass over."""
    for name in dict.fromkeys(name for names in _OPTIONS.values() for name in names):
        owners = [owner for owner, names in _OPTIONS.items() if name in names]
        if source not in owners and ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(
                f"--{name.replace('_', '-')} is for --source {' or '.join(owners)}, not {source}"
            )


def render_elsewhere(
    source: str, frames: pl.DataFrame, out: str, workers: str | None, database: RunwayDatabase,
    common: Mapping[str, Any], options: Mapping[str, Any],
) -> pl.DataFrame:  # fmt: skip
    """Render frames by a simulator or globe; return the manifest."""
    from lard.errors import SourceError
    from lard.simulators.drawn import as_drawn

    frames = as_drawn(frames, source, options["undrawn"])
    if source == "flightgear":
        from lard.simulators.flightgear.settings import FlightGearSettings
        from lard.simulators.flightgear.source import render_flightgear

        drawn = FlightGearSettings(options["supersample"], common["jpeg_quality"])
        return render_flightgear(
            frames, out, workers or 1, database, drawn, common["resume"], common["shard"]
        )
    if source == "xplane":
        from lard.simulators.xplane.settings import XPlaneSettings
        from lard.simulators.xplane.source import render_xplane

        if options["screenshots"] is None:
            raise SourceError(
                "--screenshots is missing: X-Plane's Output/screenshots folder, where it puts them"
            )
        xplane = XPlaneSettings(
            options["screenshots"], options["xplane_host"], options["xplane_port"], options["xplane_web"]
        )
        return render_xplane(frames, out, database, xplane, **common)
    from lard.simulators.cesium import CesiumSettings, render_cesium

    globe = CesiumSettings(
        options["cesium_url"], options["cesium_layer"], options["geoid"], _undulations(options["undulation"]),
        options["licence"], options["attribution"],
    )  # fmt: skip
    return render_cesium(frames, out, database, globe, **common)


def _undulations(texts: tuple[str, ...]) -> dict[str, float]:
    from lard.errors import SourceError

    found = {}
    for text in texts:
        icao, _, value = text.partition("=")
        try:
            found[icao.strip().upper()] = float(value)
        except ValueError as error:
            raise SourceError(f"--undulation {text!r}: expected an airport and metres, KATL=-30.5") from error
    return found
