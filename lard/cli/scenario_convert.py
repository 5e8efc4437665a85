"""`lard scenario convert`."""

from __future__ import annotations

from pathlib import Path

import click

_ZONE = "time zone"  # a fault of the option, not of the file
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
    type=click.Choice(("wgs84", "sphere6371010")),
    help="Earth model of a frames table. Default: the sphere for .json and .esp, else wgs84.",
)
@click.option(
    "--split",
    type=click.Choice(("train", "val", "test")),
    help="Split of every frame of a frames table; LARD's layouts name none.  [default: test, said so]",
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
    earth: str | None,
    split: str | None,
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
    from lard.errors import DataError, naming
    from lard.scenario.formats import (
        frames_of_scenario,
        not_held,
        read_scenario,
        scenario_of_frames,
        write_scenario,
    )
    from lard.scenario.losses import losses, lost_seconds
    from lard.tables import FRAMES, read_table, write_table
    from lard.written import keep_foreign, keep_table

    suffix = target.suffix.lower()
    layout = layout or {".esp": "esp", ".parquet": "frames"}.get(suffix, "v2")
    if suffix not in SUFFIXES[layout]:
        raise DataError(f"{target}: a scenario as {layout} is called {' or '.join(SUFFIXES[layout])}")
    if layout == "frames" and source.suffix.lower() == ".parquet":
        raise DataError(f"{source}: is a frames table already; copy it, as a conversion would forget columns")
    if layout == "frames":
        keep_table(target, FRAMES, "a frames table")
    else:
        keep_foreign(target, "a scenario", lambda path: bool(read_scenario(path).layout))
    lost: list[str] = []
    if source.suffix.lower() == ".parquet":
        table = read_table(source, FRAMES)
        with naming(source, _ZONE):
            scenario = scenario_of_frames(table, source.stem, timezone)
        lost = [*not_held(table), *filter(None, [lost_seconds(table)])]
    else:
        scenario = read_scenario(source, airport=airport, runway=runway, timezone=timezone)
    usual = "sphere6371010" if scenario.layout in ("ges", "esp") else "wgs84"
    notes = losses(scenario, layout, "" if split else "test", "" if earth else usual)
    if layout != "frames":
        if lost:
            notes.append(f"LARD's layouts hold no {', '.join(lost)}; left out")
        with naming(source, target, _ZONE):
            write_scenario(scenario, target, layout, timezone)
    else:
        from lard.airports.files import open_database
        from lard.odd import load_spec

        db, spec = open_database(runways), load_spec(odd_path) if odd_path else None
        with naming(source, _ZONE):
            frames = frames_of_scenario(
                scenario, db, spec=spec, earth=earth or usual, timezone=timezone, split=split or "test"
            )
        write_table(frames, target, FRAMES)
        renamed = int((frames["runway"] != scenario.poses["runway"]).sum())
        if renamed:
            text = "poses are named after the opposite direction; named after the runway end they face"
            notes.append(f"{renamed} {text}")
    for note in notes:
        click.echo(f"{target}: {note}", err=True)
    click.echo(f"{len(scenario.poses)} poses in {target}")
