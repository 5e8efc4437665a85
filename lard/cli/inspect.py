"""`lard inspect`: labels drawn on the pictures they belong to."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Picture to write (.jpg or .png)."
)
@click.option("--frame", help="Draw this one frame at full size.")
@click.option("--n", default=24, show_default=True, type=click.IntRange(1, 400), help="Frames on the sheet.")
@click.option("--columns", default=4, show_default=True, type=click.IntRange(1, 20))
@click.option("--tile-px", default=480, show_default=True, type=click.IntRange(64, 4096))
@click.option("--airport", multiple=True, help="Only these airports.")
@click.option("--zone", multiple=True, help="Only these zones.")
@click.option("--verdict", multiple=True, help="Only frames with a label of these verdicts.")
@click.option("--csv", "csv_path", type=click.Path(path_type=Path), help="Label table of a LARD folder.")
def inspect(
    dataset: Path,
    out: Path,
    frame: str | None,
    n: int,
    columns: int,
    tile_px: int,
    airport: tuple[str, ...],
    zone: tuple[str, ...],
    verdict: tuple[str, ...],
    csv_path: Path | None,
) -> None:
    """Draw labels on the images of DATASET: a contact sheet, or one frame.

    DATASET is one of our folders, or a LARD V1 or V2 folder with a label table (.csv) in it.

    \b
    Examples:
      lard inspect data/ortho --out sheet.jpg
      lard inspect data/ortho --zone far --airport KATL --n 12 --out far.jpg
      lard inspect data/ortho --frame KATL_26L_far_0007 --out frame.png
      lard inspect LARD_test_synth --csv LARD_test_synth/dataset.csv --out sheet.jpg
    """
    from lard.report.inspect import open_for_inspection, sheet_or_frame
    from lard.tables import atomic_path
    from lard.written import keep_picture, save_picture

    keep_picture(out)
    view = open_for_inspection(dataset, csv_path)
    picture = sheet_or_frame(
        view,
        frame=frame,
        n=n,
        columns=columns,
        tile_px=tile_px,
        airports=airport,
        zones=zone,
        verdicts=verdict,
    )
    with atomic_path(out) as temporary:
        save_picture(picture, temporary, quality=90)
    click.echo(f"{picture.width} x {picture.height} px in {out}")
