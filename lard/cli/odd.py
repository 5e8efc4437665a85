"""`lard odd`: check, show and compare operational design domains."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lard.cli.options import SEED, frames_at, runways_option

if TYPE_CHECKING:
    pass


@click.group()
def odd() -> None:
    """Check, show, preview and compare operational design domains.

    \b
    Examples:
      lard odd check odd_specs/lard_v2.yaml
      lard odd show odd_specs/lard_v2.yaml
      lard odd coverage data/frames.parquet --odd odd_specs/lard_v2.yaml
    """


@odd.command("check")
@click.argument("specs", nargs=-1, required=True)
@runways_option
@click.option("--all", "every", is_flag=True, help="All errors, not only the first.")
def check_command(specs: tuple[str, ...], runways: str, every: bool) -> None:
    """Check ODD specs; faults of all files are listed with their lines.

    What nothing can satisfy is an error, runways of the database and requirements of `dqr:` included; what
    is only odd is a warning: a gap between zones, a zone 60 km out, a rule that never applies.

    \b
    Examples:
      lard odd check odd_specs/*.yaml
      lard odd check draft.yaml --all
      lard odd check my_spec.yaml --runways my_runways/
    """
    from lard.airports.files import open_database
    from lard.errors import LINES_TOLD, SpecError, one_line
    from lard.odd.oddities import warn_of_oddities
    from lard.odd.oddities_dqr import check_dqr
    from lard.odd.reader import inspect_spec
    from lard.quality import all_checks
    from lard.scenario.fitness import check_runways

    database = open_database(runways)
    requirements = {check.id: check.thresholds for check in all_checks()}
    errors: list[str] = []
    for path in specs:
        try:
            spec, faults = inspect_spec(path)
        except SpecError as error:
            errors.append(str(error))
            continue
        warn_of_oddities(spec, faults)
        check_runways(spec, database, faults)
        check_dqr(spec, requirements, faults)
        for warning in faults.warnings():
            click.echo(f"warning: {warning}", err=True)
        errors += faults.errors()
        if not faults.found:
            click.echo(f"{path}: {spec.name} {spec.version} is sound, zones {', '.join(spec.zone_names)}")
    faults_found = [line for text in errors for line in text.split("\n")]
    if every:
        for line in faults_found[:-1]:
            click.echo(one_line(line), err=True)
        faults_found = faults_found[-1:]
    elif len(faults_found) > LINES_TOLD:
        click.echo(f"note: {len(faults_found)} errors; --all lists every one", err=True)
    if faults_found:
        raise SpecError("\n".join(faults_found))


@odd.command("show")
@click.argument("spec_path", metavar="SPEC")
def show_command(spec_path: str) -> None:
    """Show an ODD spec as a table.

    \b
    Examples:
      lard odd show odd_specs/lard_v1_cone.yaml
    """
    from lard.odd import load_spec
    from lard.odd.show import describe

    click.echo(describe(load_spec(spec_path)), nl=False)


@odd.command("preview")
@click.argument("spec_path", metavar="SPEC")
@click.option("--out", required=True, help="File to write: .html, .png or .svg.")
@click.option("--airports", default="LFPO,KATL,EHAM", show_default=True, help="ICAO codes, by commas.")
@runways_option
@click.option("--n", default=1500, show_default=True, type=int, help="Frames to draw.")
@click.option("--seed", default=0, show_default=True, type=SEED)
@click.option("--method", default="sobol", show_default=True, help="See `lard scenario sample`.")
def preview_command(
    spec_path: str, out: str, airports: str, runways: str, n: int, seed: int, method: str
) -> None:
    """Draw an ODD: approach cone, laws against a sample, where runways fall in the picture, box sizes.

    \b
    Examples:
      lard odd preview odd_specs/lard_v2.yaml --out lard_v2.html
      lard odd preview odd_specs/lard_v2.yaml --method lard-v2-executed --out executed.png
    """
    from lard.airports.files import open_database
    from lard.odd import load_spec
    from lard.odd.realised import realised_text
    from lard.scenario.preview import write_preview

    codes = [code.strip() for code in airports.split(",") if code.strip()]
    found = write_preview(load_spec(spec_path), open_database(runways), codes, out, n, seed, method)
    click.echo(f"{out}: written")
    for line in realised_text(found):
        click.echo(f"  {line}")


@odd.command("openodd")
@click.argument("spec_path", metavar="SPEC")
@click.option("--out", help="File to write; standard output without it.")
def openodd_command(spec_path: str, out: str | None) -> None:
    """Write an ODD spec as ASAM OpenODD-style YAML, with ISO 34503 names where they exist.

    Such a file can be given wherever a spec is expected and means the same.

    \b
    Examples:
      lard odd openodd odd_specs/lard_v2.yaml --out lard_v2.openodd.yaml
    """
    from pathlib import Path

    from lard.odd import load_spec
    from lard.odd.openodd import openodd_text
    from lard.tables import write_text
    from lard.written import keep_text

    document = openodd_text(load_spec(spec_path))
    if out:
        keep_text(Path(out), "an OpenODD spec", "TAXONOMY:", "EXTENSION:")
        write_text(document, out)
    else:
        click.echo(document, nl=False)


@odd.command("schema")
@click.option("--out", help="File to write; standard output without it.")
def schema_command(out: str | None) -> None:
    """Write the JSON Schema of ODD specs, for editors that complete and check YAML.

    \b
    Examples:
      lard odd schema --out odd.schema.json
    """
    import json
    from pathlib import Path

    from lard.files import keep_unlike
    from lard.odd.schema import json_schema
    from lard.tables import write_json

    if out:
        keep_unlike(Path(out), "a JSON Schema", lambda found: isinstance(found, dict) and "$schema" in found)
        write_json(json_schema(), out)
    else:
        click.echo(json.dumps(json_schema(), sort_keys=True, indent=1))


@odd.command("diff")
@click.argument("first", metavar="SPEC_A")
@click.argument("second", metavar="SPEC_B")
@click.option(
    "--level", default="nominal", show_default=True, type=click.Choice(["nominal", "in", "extended"])
)
def diff_command(first: str, second: str, level: str) -> None:
    """Compare two ODD specs: what differs, which contains which (with a witness), how much they share.

    \b
    Examples:
      lard odd diff odd_specs/lard_v1_cone.yaml odd_specs/lard_v2.yaml
      lard odd diff old.yaml new.yaml --level extended
    """
    from lard.odd import load_spec
    from lard.odd.compare import compare

    click.echo(compare(load_spec(first), load_spec(second), level), nl=False)


@odd.command("coverage")
@click.argument("dataset")
@click.option("--odd", "odd_path", required=True, help="ODD spec the frames were drawn from.")
@click.option("--bins", default=5, show_default=True, type=int, help="Bins per numeric parameter.")
@click.option("--t", "strengths", multiple=True, type=click.IntRange(1, 4), help="1, 2 or 3; all without it.")
@click.option("--at-least", default=1, show_default=True, type=click.IntRange(1), help="Frames a cell needs.")
@click.option("--holes", default=3, show_default=True, type=click.IntRange(0), help="Emptiest cells listed.")
@click.option("--target", type=click.FloatRange(0, 1), help="Exit with 1 when a zone covers less than this.")
@click.option("--json", "json_path", help="Write all figures to this file too.")
def coverage_command(
    dataset: str,
    odd_path: str,
    bins: int,
    strengths: tuple[int, ...],
    at_least: int,
    holes: int,
    target: float | None,
    json_path: str | None,
) -> None:
    """How much of an ODD a data set covers, what is missing and what filling it would cost.

    DATASET is a frames table (parquet) or a folder that holds frames.parquet.

    \b
    Examples:
      lard odd coverage data/frames.parquet --odd odd_specs/lard_v2.yaml
      lard odd coverage data/ortho --odd odd_specs/lard_v2.yaml --bins 10 --t 2 --target 0.95
    """
    import sys
    from pathlib import Path

    from lard.errors import naming
    from lard.files import keep_unlike
    from lard.odd import load_spec
    from lard.odd.coverage import coverage
    from lard.odd.coverage_text import is_summary, summary, text
    from lard.tables import write_json

    if json_path:
        keep_unlike(Path(json_path), "a coverage", is_summary)
    spec = load_spec(odd_path)
    with naming(dataset):
        zones = coverage(spec, frames_at(dataset), bins, strengths or (1, 2, 3))
    found = summary(spec, zones, holes, at_least)
    if json_path:
        write_json(found, json_path)
    click.echo(text(found, at_least), nl=False)
    short = [
        f"{zone} {t}-way {ways['fraction']:.2%}"
        for zone, part in found.items()
        for t, ways in part["ways"].items()
        if target is not None and ways["fraction"] < target
    ]
    if short:
        click.echo(
            f"below the target of {target:.2%}: {', '.join(short)}; see `lard scenario fill`", err=True
        )
        sys.exit(1)
