"""`lard odd`: check, show and compare operational design domains."""

from __future__ import annotations

import click


@click.group()
def odd() -> None:
    """Check, show, preview and compare operational design domains.

    \b
    Examples:
      lard odd check odd_specs/lard_v2.yaml
      lard odd show odd_specs/lard_v2.yaml
    """


@odd.command("check")
@click.argument("specs", nargs=-1, required=True)
def check_command(specs: tuple[str, ...]) -> None:
    """Check ODD specs; every fault of every file is listed with its line.

    \b
    Examples:
      lard odd check odd_specs/*.yaml
    """
    from lard.errors import SpecError
    from lard.odd import load_spec

    faults = []
    for path in specs:
        try:
            spec = load_spec(path)
        except SpecError as error:
            faults.append(str(error))
        else:
            click.echo(f"{path}: {spec.name} {spec.version} is sound, zones {', '.join(spec.zone_names)}")
    if faults:
        raise SpecError("\n".join(faults))


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
