"""`lard scenario convert`."""

from __future__ import annotations

from pathlib import Path

import click

SUFFIXES = {"v1": (".yaml", ".yml"), "v2": (".yaml", ".yml"), "esp": (".esp",), "frames": (".parquet",)}


@click.command("convert")
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@click.option(
    "--to",
    "layout",
    type=click.Choice(tuple(SUFFIXES)),
    help="Layout of TARGET. Default: esp for .esp, frames for .parquet, v2 for .yaml.",
)
@click.option(
    "--timezone",
    default="solar",
    show_default=True,
    help="Zone of local times: solar (longitude / 15), UTC or a name such as Europe/Paris.",
)
@click.option(
    "--runways",
    default="shipped",
    show_default=True,
    help="Runway database that approach values of a frames table are measured by.",
)
@click.option("--odd", "odd_path", help="Domain that names the zone of each frame.")
@click.option(
    "--earth",
    default="wgs84",
    show_default=True,
    type=click.Choice(("wgs84", "sphere6371010")),
    help="Earth model of a frames table.",
)
@click.option(
    "--split",
    default="test",
    show_default=True,
    type=click.Choice(("train", "val", "test")),
    help="Split of every frame of a frames table; LARD's layouts name none.",
)
@click.option("--airport", default="", help="Target where SOURCE names none.")
@click.option("--runway", default="", help="Target where SOURCE names none.")
def convert_command(
    source: Path,
    target: Path,
    layout: str | None,
    timezone: str,
    runways: str,
    odd_path: str | None,
    earth: str,
    split: str,
    airport: str,
    runway: str,
) -> None:  # fmt: skip
    """Convert SOURCE to TARGET: LARD V1 or V2 scenario, Earth Studio project, frames table.

    SOURCE is a .yaml (V1, older V1 or V2), .esp, .json (Earth Studio camera) or .parquet (frames).

    \b
    Examples:
      lard scenario convert data/frames.parquet KATL.yaml
      lard scenario convert KATL.yaml KATL.esp --timezone America/New_York
      lard scenario convert LFPO_24.yaml frames.parquet --odd odd_specs/lard_v2.yaml
    """
    from lard.errors import DataError
    from lard.scenario.formats import (
        frames_of_scenario,
        not_held,
        read_scenario,
        scenario_of_frames,
        write_scenario,
    )
    from lard.tables import FRAMES, read_table, write_table

    suffix = target.suffix.lower()
    layout = layout or {".esp": "esp", ".parquet": "frames"}.get(suffix, "v2")
    if suffix not in SUFFIXES[layout]:
        raise DataError(f"{target}: a scenario as {layout} is called {' or '.join(SUFFIXES[layout])}")
    lost: list[str] = []
    if source.suffix.lower() == ".parquet":
        table = read_table(source, FRAMES)
        scenario, lost = scenario_of_frames(table, source.stem, timezone), not_held(table)
    else:
        scenario = read_scenario(source, airport=airport, runway=runway, timezone=timezone)
    if layout != "frames":
        write_scenario(scenario, target, layout, timezone)
        if lost:
            click.echo(f"{target}: LARD's layouts hold no {', '.join(lost)}; left out", err=True)
    else:
        from lard.airports.files import open_database
        from lard.odd import load_spec

        spec = load_spec(odd_path) if odd_path else None
        frames = frames_of_scenario(
            scenario, open_database(runways), spec=spec, earth=earth, timezone=timezone, split=split
        )
        write_table(frames, target, FRAMES)
        renamed = int((frames["runway"] != scenario.poses["runway"]).sum())
        if renamed:
            click.echo(
                f"{target}: {renamed} poses are named after the opposite direction; named after the runway "
                "end they face",
                err=True,
            )
    click.echo(f"{len(scenario.poses)} poses in {target}")
