"""`lard pull` and `lard push`: dataset folders from and to object stores."""

from __future__ import annotations

from pathlib import Path

import click

from lard.cli.options import codes_of


@click.command()
@click.argument("url")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--airports", default="", metavar="A,B", help="Only frames of these airports (ICAO codes).")
@click.option("--split", "splits", multiple=True, help="Only frames of this split; repeatable.")
@click.option(
    "--only", type=click.Choice(("tables", "pictures")), help="Only what is not in images/, or only what is."
)
@click.option("--overwrite", is_flag=True, help="Also write over files changed here since they were fetched.")
def pull(
    url: str, folder: Path, airports: str, splits: tuple[str, ...], only: str | None, overwrite: bool
) -> None:
    """Fetch a folder that lies at URL (s3://, gs://, file://) into FOLDER: what is missing or has changed.

    Each file is checked by size and SHA-256 and appears when it is whole, tables last. A pull that was
    stopped goes on where it was. With --airports or --split the tables are cut to their frames. Credentials
    come from the environment, as for the store's own tools (docs/scale.md).

    \b
    Examples:
      lard pull s3://bucket/ortho data/ortho
      lard pull s3://bucket/ortho data/ortho --airports LFPO,LFBO --split test
      lard pull s3://bucket/ortho data/ortho --only tables
    """
    from lard.store.choice import Choice
    from lard.store.pull import pull as run

    done = run(url, folder, Choice(tuple(codes_of(airports)), splits, only or ""), overwrite=overwrite)
    removed = f", {done.removed} of an earlier pull removed" if done.removed else ""
    click.echo(
        f"{folder}: {done.fetched} files fetched ({_megabytes(done.fetched_bytes)}), {done.kept} "
        f"kept{removed}"
    )
    if done.left_out:
        click.echo(
            f"left out, because they tell of all frames: {', '.join(done.left_out[:5])}"
            + (f" and {len(done.left_out) - 5} more" if len(done.left_out) > 5 else "")
        )


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("url")
@click.option("--delete", is_flag=True, help="Remove what an earlier push sent and FOLDER no longer has.")
def push(folder: Path, url: str, delete: bool) -> None:
    """Send FOLDER to URL (s3://, gs://, file://): what is not there or has changed.

    Each file is checked by its size and checksum; large ones go in parts. A list of all files,
    contents.parquet, is written last: nobody reads a half dataset. A push that was stopped goes on where it
    was. Files whose names begin with a dot stay here.

    \b
    Examples:
      lard push data/ortho s3://bucket/ortho
      AWS_ENDPOINT_URL=http://minio:9000 lard push data/ground s3://bucket/ground
      lard push data/ortho s3://bucket/ortho --delete
    """
    from lard.store.push import push as run

    done = run(folder, url, delete=delete)
    gone = f", {done.removed} removed" if done.removed else ""
    gone += f", {done.left} no longer listed but still there (--delete)" if done.left else ""
    gone += f", {done.ended} unfinished uploads of killed runs ended" if done.ended else ""
    click.echo(f"{url}: {done.sent} files sent ({_megabytes(done.sent_bytes)}), {done.kept} kept{gone}")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
