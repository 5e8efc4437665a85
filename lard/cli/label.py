"""`lard label`: the labels of a frames table, or of a scenario in one of LARD's conventions."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lard.cli.options import workers_option

if TYPE_CHECKING:
    import polars as pl

    from lard.airports import RunwayDatabase
    from lard.export.conventions import Labelled
    from lard.odd import OddSpec
    from lard.scenario.formats_model import Scenario

CONVENTIONS = ("exact", "lard-v1", "lard-v2")


@click.command()
@click.argument("scenario", type=click.Path(path_type=Path))
@click.option(
    "--runways",
    help="Runway database: shipped, a table folder, a LARD JSON, runways.csv or apt.dat. "
    "Must be given for frames that were drawn on another than the shipped one.  [default: shipped]",
)
@click.option(
    "--convention",
    default="exact",
    show_default=True,
    type=click.Choice(CONVENTIONS),
    help="exact: sub-pixel on the true earth; lard-v1, lard-v2: what the published tools write.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Labels to write: .parquet (our table) or .csv (LARD's). "
    "Default for a dataset folder: its labels.parquet.",
)
@click.option(
    "--odd",
    "odd_path",
    help="Domain that verdicts are given by (exact only): a file, or a shipped one by name. "
    "Default: the one the frames were drawn from, lard_v2 where they name none.",
)
@click.option(
    "--assume",
    multiple=True,
    metavar="NAME=VALUE",
    help="What the frames do not tell and the domain asks for, such as visibility_m=20000 (exact only).",
)
@click.option(
    "--terrain",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Terrain raster, folder of rasters or 'shipped' (exact only): what land hides counts in "
    "visible_fraction and verdict. Heights must be in the runways' datum, or name a geoid (terrain.json).",
)
@click.option(
    "--earth",
    type=click.Choice(("wgs84", "sphere6371010")),
    help="Earth model of the pictures (exact only); a sphere for Google Earth Studio. "
    "Default: as the frames table says, the sphere for .json and .esp, else wgs84.",
)
@click.option(
    "--csv-version",
    type=click.Choice(("v1", "v2")),
    help="Columns of a .csv. Default: v1 for lard-v1, else v2.",
)
@click.option(
    "--swap/--no-swap",
    default=True,
    show_default=True,
    help="lard-v2: keep its exchange of width and height (matters for oblong pictures only).",
)
@click.option("--all-rows", is_flag=True, help="lard-v1: also the pictures it would leave out.")
@click.option(
    "--camera",
    type=click.Path(path_type=Path),
    help="lard-v1: Earth Studio's camera JSON. Default: the .json beside the .yaml, if any.",
)
@click.option("--airport", default="", help="Target where the file names none (.json, .esp).")
@click.option("--runway", default="", help="Target where the file names none (.json, .esp).")
@click.option(
    "--timezone",
    default="solar",
    show_default=True,
    help="Zone of the scenario's times: solar, UTC or a name such as Europe/Paris.",
)
@click.option(
    "--type",
    "image_type",
    help="Column `type` of a .csv. Default: by the manifest beside SCENARIO, else earth_studio.",
)
@workers_option("1")
def label(scenario: Path, runways: str | None, convention: str, out: Path | None, **options: Any) -> None:
    """Label every runway in view of each pose of SCENARIO.

    SCENARIO is a frames table (.parquet) or the dataset folder that holds it, a LARD V1 or V2 scenario
    (.yaml) or an Earth Studio file (.json camera track, .esp project). A dataset folder gets its
    labels.parquet and a dataset.json that says by what it was labelled.

    \b
    Examples:
      lard label data/ortho
      lard label data/ortho --terrain srtm/ --workers 8
      lard label data/ortho --terrain shipped    # of pictures drawn with --dem shipped
      lard label data/frames.parquet --out labels.parquet
      lard label data/ortho --odd my_odd.yaml
      lard label KATL/KATL.yaml --runways runways_db_V2_ArcGIS.json --convention lard-v2 --out KATL.csv
      lard label LFPO_24/LFPO_24.yaml --runways runways_database.json --convention lard-v1 --out d.csv
    """
    from lard.errors import DataError, naming
    from lard.export.conventions import find_footage
    from lard.ground.terrain.shipped import located
    from lard.parts import is_parted, refuse_shards
    from lard.scenario.formats import read_scenario, scenario_of_frames
    from lard.scenario.losses import TABLE_TRAJECTORY, assumed
    from lard.tables import FRAMES, read_table

    if not scenario.exists() and (out is None or not scenario.suffix):
        raise DataError(
            f"{scenario}: no such file or folder; give a dataset folder, frames table (.parquet) or scenario"
        )
    if scenario.is_dir() and not is_parted(scenario):
        out = out or scenario / "labels.parquet"
        scenario = scenario / "frames.parquet"
    if out is None:
        raise DataError("--out is missing: the .parquet or .csv to write")
    if out.suffix.lower() not in (".parquet", ".csv"):
        raise DataError(f"--out {out}: expected a name that ends in .parquet or .csv")
    _keep_others(out)
    if not scenario.exists() or scenario.name == "frames.parquet":
        refuse_shards(scenario.parent)
    if scenario.suffix.lower() == ".parquet" and convention == "exact" and out.suffix.lower() == ".parquet":
        _label_frames(
            scenario,
            runways,
            options["odd_path"],
            out,
            tuple(Path(located(tile)) for tile in options["terrain"]),
            _stated(options["assume"]),
            options["workers"] or 1,
        )
        return
    zone, drawn = options["timezone"], None
    if scenario.suffix.lower() == ".parquet":
        drawn = read_table(scenario, FRAMES)
        read = scenario_of_frames(drawn, scenario.stem, zone)
    else:
        with naming(scenario):
            read = read_scenario(
                scenario, airport=options["airport"], runway=options["runway"], timezone=zone
            )
    unnamed = read.poses.filter((read.poses["airport"] == "") | (read.poses["runway"] == ""))
    if len(unnamed):
        raise DataError(f"{scenario}: {len(unnamed)} poses name no target; give --airport and --runway")
    # a table names its pictures relative to itself
    base = out.resolve().parent
    images = [
        Path(os.path.relpath(scenario.resolve().parent / name, base)).as_posix()
        for name in find_footage(scenario, read)
    ]
    with naming(scenario):
        if convention == "exact":
            labelled = _exactly(read, drawn, runways, images, options)
        else:
            labelled = _by_convention(read, scenario, runways or "shipped", convention, images, options)
        _write(labelled, read, scenario, convention, out, options)
    unstated = assumed(read)
    if convention == "lard-v2" and drawn is not None:
        unstated.append(f"{TABLE_TRAJECTORY}: verdicts are those of LARD's own domain")
    for note in (*unstated, *labelled.notes):
        click.echo(f"note: {note}", err=True)


def _keep_others(out: Path) -> None:
    """DataError where a file lies already that is no table of labels."""
    from lard.export.lard_csv import V1_COLUMNS, V2_COLUMNS
    from lard.tables import LABELS
    from lard.written import keep_csv, keep_table

    if out.suffix.lower() == ".csv":
        keep_csv(out, (V1_COLUMNS, V2_COLUMNS), "a label table")
    else:
        keep_table(out, LABELS, "a label table")


def _files(tiles: tuple[Path, ...]) -> tuple[Path, ...]:
    """The rasters that are files of their own, which workers must have as they are here."""
    return tuple(tile for tile in tiles if tile.is_file())


def _stated(texts: tuple[str, ...]) -> dict[str, str]:
    """Values by name of options such as visibility_m=20000."""
    from lard.errors import DataError

    pairs = [text.partition("=") for text in texts]
    for name, sign, value in pairs:
        if not (name.strip() and sign and value.strip()):
            raise DataError(f"--assume {name}{sign}{value}: expected NAME=VALUE, such as visibility_m=20000")
    values = {name.strip(): value.strip() for name, _, value in pairs}
    if len(values) < len(pairs):
        raise DataError(f"--assume {' '.join(texts)}: a name is given twice; keep one value of each")
    return values


def _label_frames(
    path: Path,
    runways: str | None,
    asked: str | None,
    out: Path,
    tiles: tuple[Path, ...],
    stated: dict[str, str],
    workers: str | int,
) -> None:
    from lard.errors import naming
    from lard.ground.terrain.land import land_of, stated_land
    from lard.labels.conditions import clock_notes, unseen_note
    from lard.labels.dataset import write_labels
    from lard.labels.spread import Labeller, labels_of
    from lard.labels.verdict import assume, check_needed
    from lard.tables import FRAMES, LABELS, POSE, read_table, write_table

    with naming(path):
        told = read_table(path, FRAMES, POSE)
        frames = assume(told, stated)
        check_needed(told, stated)
    with naming(path, runways or "", asked or ""):
        db, spec, odd = _basis(frames, runways, asked)
    terrain = land_of(tiles, db, frames["airport"].drop_nulls())
    with naming(path):
        if (path.name, out.name) == ("frames.parquet", "labels.parquet") and path.parent == out.parent:
            rests_on: dict[str, Any] = {"assumed": stated} if stated else {}
            if tiles:
                rests_on["terrain"] = stated_land(tiles, db, frames["airport"])
            labels, _ = write_labels(
                out.parent, frames, db, spec, odd, terrain, rests_on, workers, _files(tiles)
            )
        else:
            labels = labels_of(frames, Labeller(db, spec, terrain), workers, _files(tiles))
            write_table(labels, out, LABELS)
    click.echo(f"{len(labels)} labels of {labels['frame_id'].n_unique()} frames in {out}")
    for note in filter(None, (*clock_notes(frames), unseen_note(frames, labels))):
        click.echo(f"note: {note}", err=True)


def _basis(
    frames: pl.DataFrame, runways: str | None, asked: str | None
) -> tuple[RunwayDatabase, OddSpec, str]:
    """Runways and spec to label frames by, and the spec's name or path; notes are printed."""
    from lard.labels.judging import judging_spec, labelling_database

    db, of_runways = labelling_database(frames, runways)
    spec, odd, of_spec = judging_spec(frames, asked)
    for note in filter(None, (of_runways, of_spec)):
        click.echo(f"note: {note}", err=True)
    return db, spec, odd


def _exactly(
    read: Scenario,
    drawn: pl.DataFrame | None,
    runways: str | None,
    images: list[str],
    options: dict[str, Any],
) -> Labelled:
    import polars as pl

    from lard.export.conventions import label_exact
    from lard.ground.terrain.land import land_of

    db, spec, _ = _basis(pl.DataFrame() if drawn is None else drawn, runways, options["odd_path"])
    earth = options["earth"] or ("sphere6371010" if read.layout in ("ges", "esp") else "wgs84")
    zone = options["timezone"]
    terrain = land_of(options["terrain"], db, read.poses["airport"].drop_nulls())
    return label_exact(
        read,
        db,
        spec,
        earth=earth,
        timezone=zone,
        images=images,
        terrain=terrain,
        stated=_stated(options["assume"]),
        told=drawn,
    )


def _by_convention(
    read: Scenario, path: Path, runways: str, convention: str, images: list[str], options: dict[str, Any]
) -> Labelled:
    from lard.export.conventions import label_as_v1, label_as_v2
    from lard.scenario.formats_camera import read_studio_camera

    if convention == "lard-v2":
        return label_as_v2(read, runways, swap=options["swap"], images=images)
    beside = path if path.suffix.lower() == ".json" else path.with_suffix(".json")
    camera = options["camera"] or (beside if beside.is_file() else None)
    track = read_studio_camera(camera) if camera else None
    return label_as_v1(read, runways, camera=track, images=images, all_rows=options["all_rows"])


def _type_beside(scenario: Path, layout: str) -> str:
    """LARD's word for the pictures of a scenario: of the manifest beside it, else Earth Studio's, said so."""
    from lard.export.lard_folder import type_of_sources
    from lard.parts import is_table
    from lard.tables import MANIFEST, read_table

    manifest = scenario.parent / "manifest.parquet"
    if is_table(manifest):
        return type_of_sources(read_table(manifest, MANIFEST)["source"].to_list(), str(scenario.parent))
    if layout not in ("esp", "ges"):
        click.echo("note: nothing says where the pictures are from; type is earth_studio (--type)", err=True)
    return "earth_studio"


def _write(
    labelled: Labelled, read: Scenario, scenario: Path, convention: str, out: Path, options: dict[str, Any]
) -> None:
    from lard.export.lard_csv import lard_table, write_lard_csv
    from lard.tables import LABELS, write_table

    labels = labelled.labels
    if out.suffix.lower() == ".parquet":
        write_table(labels, out, LABELS)
        click.echo(f"{len(labels)} labels of {labels['frame_id'].n_unique()} frames in {out}")
        return
    version = options["csv_version"] or ("v1" if convention == "lard-v1" else "v2")
    table, left_out = lard_table(
        labels,
        read,
        labelled.size_px,
        version,
        image_type=options["image_type"] or _type_beside(scenario, read.layout),
        scenario_name=read.name if version == "v1" else "",
        lateral_apex_m=None if convention == "lard-v1" else 0.0,
    )
    write_lard_csv(table, out)
    click.echo(f"{len(table)} labels in {out}")
    if left_out:
        click.echo(
            f"note: {left_out} runways partly behind the camera have no place in LARD's table", err=True
        )
