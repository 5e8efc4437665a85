"""`lard annotated`: hand-annotated pictures of real approaches as a dataset folder."""

from __future__ import annotations

from pathlib import Path

import click

from lard.cli.options import CREDIT


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Dataset folder to write.")
@click.option("--notes", type=click.Path(path_type=Path), help="CSV beside labelme files, one row per image.")
@click.option("--airport", default="", help="Airport of pictures whose notes name none.")
@click.option("--split", default="test", show_default=True, type=click.Choice(("train", "val", "test")))
@click.option("--other-label", "other_labels", multiple=True, help="Label of shapes that are no runways.")
@click.option("--licence", default="", type=CREDIT, help="Licence of the pictures.")
@click.option("--attribution", default="", type=CREDIT, help="Whom to name beside the pictures.")
def annotated(
    source: Path, out: Path, notes: Path | None, airport: str, split: str, other_labels: tuple[str, ...],
    licence: str, attribution: str,
) -> None:  # fmt: skip
    """Import annotated video frames: a folder of labelme files, or a LARD V1 label table (.csv).

    Notes hold image, airport, runway, split, time_to_landing_s, weather, night, time_utc; image is needed.
    The result goes through `lard dqr`, `lard export` and `lard score` like any dataset; every annotated
    runway has to be found.

    \b
    Examples:
      lard annotated landing_video/ --notes notes.csv --out data/real
      lard annotated LARD_test_real_nominal/LARD_test_real_nominal.csv --out data/real
    """
    from lard.errors import naming
    from lard.intake.annotated import import_labelme, import_lard_real

    with naming(notes or source):
        if source.suffix.lower() == ".csv":
            frames = import_lard_real(source, out, split=split, licence=licence, attribution=attribution)
        else:
            frames = import_labelme(
                source, out, notes=notes, airport=airport, split=split, other_labels=other_labels,
                licence=licence, attribution=attribution,
            )  # fmt: skip
    click.echo(f"{out}: {len(frames)} annotated pictures")
