"""`lard partition`: the tables of a dataset in parts by airport, or each in one file again."""

from pathlib import Path

import click


@click.command()
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option("--join", is_flag=True, help="The other way: parts into one file each.")
def partition(dataset: Path, join: bool) -> None:
    """Put frames, labels and manifest of DATASET, a dataset folder, into parts by airport.

    frames.parquet is then a folder of airport=XXXX/part-0.parquet, and so are the others. Every command
    reads both layouts alike; lard label writes labels in the layout of the frames, airport by airport, which
    bounds its memory. Joined tables have the bytes they had before.

    \b
    Examples:
      lard partition data/ortho
      lard partition data/ortho --join
    """
    from lard.errors import DataError
    from lard.labels.layout import join_tables, split_tables

    if not dataset.is_dir():
        raise DataError(f"{dataset}: no such dataset folder")
    done = join_tables(dataset) if join else split_tables(dataset)
    what = "in one file each" if join else "in parts by airport"
    click.echo(f"{', '.join(done)} of {dataset} {what}" if done else f"nothing to do: all is {what}")
