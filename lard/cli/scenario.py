"""`lard scenario`: samples, fills and sequences of frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lard.cli.modules import ModuleGroup
from lard.cli.options import SEED, airports_option, codes_of, frames_at, runways_option

METHODS = ("sobol", "lhs", "mc", "normal", "lard-v1", "lard-v2", "lard-v2-executed")


@click.group(cls=ModuleGroup, lazy={"convert": "lard.cli.scenario_convert"})
def scenario() -> None:
    """Sample approaches from an ODD, fill its holes, fly sequences.

    \b
    Examples:
      lard scenario sample --odd odd_specs/lard_v2.yaml --airports LFPO,EHAM --n 300 --seed 1 --out f.parquet
      lard scenario fill f.parquet --odd odd_specs/lard_v2.yaml --airports LFPO,EHAM --out more.parquet
    """


def split_of(texts: tuple[str, ...]) -> dict[str, Any] | None:
    """The split of options such as val=LFPO,EHAM or test=0.2."""
    from lard.errors import SpecError

    split: dict[str, Any] = {}
    for text in texts:
        name, _, value = text.partition("=")
        if not value:
            raise SpecError(f"--split {text!r}: expected val=... or test=... with airports or a fraction")
        if name in split:
            raise SpecError(f"--split {text!r}: {name} is given twice; name its airports with commas")
        try:
            split[name] = float(value)
        except ValueError:
            split[name] = codes_of(value)
    return split or None


@scenario.command("sample")
@click.option("--odd", "odd_path", required=True, help="ODD spec (YAML; LARD's layouts are read too).")
@airports_option
@runways_option
@click.option("--n", required=True, type=int, help="Frames in all, spread over the zones as the spec says.")
@click.option("--seed", default=0, show_default=True, type=SEED, help="Same seed, same bytes.")
@click.option("--method", default="sobol", show_default=True, type=click.Choice(METHODS))
@click.option("--split", multiple=True, help="val=... or test=...: airports or a fraction.")
@click.option("--shard", default="0/1", show_default=True, help="i/k: every k-th frame from the i-th.")
@click.option("--out", required=True, help="Frames table to write (parquet).")
def sample_command(
    odd_path: str,
    airports: str,
    runways: str,
    n: int,
    seed: int,
    method: str,
    split: tuple[str, ...],
    shard: str,
    out: str,
) -> None:
    """Draw N frames that fill the ODD, balanced over airports, headings and multi-runway views.

    What each law declares is printed beside what the frames hold; ! marks what rules made depart from it.

    \b
    Examples:
      lard scenario sample --odd odd_specs/lard_v2.yaml --airports LFPO,EHAM --n 300 --seed 1 --out f.parquet
      lard scenario sample --odd odd_specs/lard_v2.yaml --airports LFPO,EHAM,KATL,RJTT,EDDF --n 900 \\
          --split val=EHAM --split test=0.2 --method lhs --out f.parquet
    """
    from lard.airports.files import open_database
    from lard.odd import load_spec
    from lard.odd.realised import realised, realised_text
    from lard.scenario import draw
    from lard.scenario.methods import laws_of
    from lard.tables import FRAMES, write_table
    from lard.written import keep_table

    keep_table(Path(out), FRAMES, "a frames table")
    spec = load_spec(odd_path)
    drawn = draw(
        spec,
        open_database(runways),
        codes_of(airports),
        n,
        seed,
        method=method,
        split=split_of(split),
        shard=shard_of(shard),
    )
    write_table(drawn.frames, out, FRAMES)
    click.echo(f"{out}: {len(drawn.frames)} frames of {drawn.frames['airport'].n_unique()} airports")
    if drawn.left_out:
        click.echo(f"  left out, no runway fits the ODD's runway selection: {', '.join(drawn.left_out)}")
    for zone, rate in drawn.acceptance.items():
        count = (drawn.frames["zone"] == zone).sum()
        click.echo(f"  {zone}: {count} frames, {rate:.1%} of the points accepted")
    shares = drawn.frames["airport"].value_counts(normalize=True, sort=True).rows()
    if len(shares) > 1 and shares[0][1] - shares[-1][1] > 0.02 + 1 / len(drawn.frames):
        (most, high), (least, low) = shares[0], shares[-1]
        click.echo(
            f"  airports are drawn unlike, {most} {high:.1%} to {least} {low:.1%}: rules, sun or zones ask it"
        )
    declared = {zone.name: laws_of(zone, method) for zone in spec.zones}
    for line in realised_text(realised(spec, drawn.frames, declared)):
        click.echo(f"  {line}")


def shard_of(text: str) -> tuple[int, int]:
    """(i, k) of "i/k"."""
    from lard.errors import SpecError

    first, _, second = text.partition("/")
    if not (first.isdecimal() and second.isdecimal()):
        raise SpecError(f"--shard {text!r}: expected i/k, for example 0/7")
    return int(first), int(second)


@scenario.command("fill")
@click.argument("dataset")
@click.option("--odd", "odd_path", required=True, help="ODD spec the frames were drawn from.")
@airports_option
@runways_option
@click.option(
    "--t", default=2, show_default=True, type=click.IntRange(1, 3), help="Parameters per combination."
)
@click.option("--bins", default=5, show_default=True, type=int, help="Bins per numeric parameter.")
@click.option("--target", default=1.0, show_default=True, type=float, help="Share of the cells to fill.")
@click.option("--at-least", default=1, show_default=True, type=int, help="Frames a cell needs.")
@click.option("--seed", default=0, show_default=True, type=SEED, help="Same seed, same bytes.")
@click.option("--split", multiple=True, help="Sets of airports that are new: val=... or test=...")
@click.option("--merge", is_flag=True, help="Write the old frames too.")
@click.option("--out", required=True, help="Frames table to write (parquet).")
def fill_command(
    dataset: str,
    odd_path: str,
    airports: str,
    runways: str,
    t: int,
    bins: int,
    target: float,
    at_least: int,
    seed: int,
    split: tuple[str, ...],
    merge: bool,
    out: str,
) -> None:
    """Draw frames for the holes of a data set's coverage only, until the target is met.

    DATASET is a frames table (parquet) or a folder that holds frames.parquet.

    \b
    Examples:
      lard scenario fill data/frames.parquet --odd odd_specs/lard_v2.yaml --airports LFPO,EHAM \\
          --t 3 --target 0.95 --out more.parquet
    """
    from lard.airports.files import open_database
    from lard.errors import naming
    from lard.odd import load_spec
    from lard.odd.coverage import coverage
    from lard.scenario import fill
    from lard.tables import FRAMES, stacked, write_table
    from lard.written import keep_table

    keep_table(Path(out), FRAMES, "a frames table")
    spec, frames = load_spec(odd_path), frames_at(dataset)
    found = fill(
        spec,
        open_database(runways),
        codes_of(airports),
        frames,
        t=t,
        bins=bins,
        target=target,
        at_least=at_least,
        seed=seed,
        split=split_of(split),
        where=dataset,
    )
    together = stacked([frames, found.frames], dataset).sort("frame_id")
    with naming(dataset):
        before, after = (coverage(spec, part, bins, (t,)) for part in (frames, together))
    write_table(together if merge else found.frames, out, FRAMES)
    click.echo(f"{out}: {len(found.frames)} new frames")
    for old, new in zip(before, after, strict=True):
        failed = found.impossible[new.zone]
        note = f"; {failed} cells have no point that obeys the rules and the sun" if failed else ""
        click.echo(
            f"  {new.zone}: {t}-way coverage {old.ways[t].fraction(at_least):.2%} -> "
            f"{new.ways[t].fraction(at_least):.2%}{note}"
        )


@scenario.command("sequence")
@click.option("--odd", "odd_path", required=True, help="ODD spec: camera, reference points, zone names.")
@click.option("--airport", required=True, help="ICAO code.")
@click.option("--runway", required=True, help="Landing direction, for example 26L.")
@runways_option
@click.option(
    "--kind", default="landing", show_default=True, type=click.Choice(["landing", "go-around", "offset"])
)
@click.option("--start-m", default=6000.0, show_default=True, help="First frame, before the threshold.")
@click.option("--airspeed-m-s", default=70.0, show_default=True)
@click.option("--frame-rate-hz", default=5.0, show_default=True)
@click.option("--headwind-m-s", default=5.0, show_default=True, help="Negative: from behind.")
@click.option("--crosswind-m-s", default=4.0, show_default=True, help="From the right; negative: the left.")
@click.option("--no-turbulence", is_flag=True, help="Without Dryden gusts.")
@click.option("--localizer-deg", default=0.12, show_default=True, help="Lateral guidance error, 1 sd.")
@click.option("--glideslope-deg", default=0.08, show_default=True, help="Vertical guidance error, 1 sd.")
@click.option("--local-time-h", default=12.0, show_default=True, help="Mean solar time at the start.")
@click.option("--day-of-year", default=172, show_default=True)
@click.option("--visibility-m", default=20_000.0, show_default=True)
@click.option("--split", default="test", show_default=True, type=click.Choice(["train", "val", "test"]))
@click.option("--seed", default=0, show_default=True, type=SEED, help="Same seed, same bytes.")
@click.option("--out", required=True, help="Frames table to write (parquet).")
def sequence_command(
    odd_path: str,
    airport: str,
    runway: str,
    runways: str,
    split: str,
    seed: int,
    no_turbulence: bool,
    out: str,
    **settings: Any,
) -> None:
    """Fly one approach as a sequence of frames: landing to the flare, go-around, or offset.

    \b
    Examples:
      lard scenario sequence --odd odd_specs/lard_v2.yaml --airport LFPO --runway 24 --out landing.parquet
      lard scenario sequence --odd odd_specs/lard_v2.yaml --airport KATL --runway 26L --kind go-around \\
          --crosswind-m-s -8 --frame-rate-hz 10 --seed 3 --out around.parquet
    """
    from lard.airports.files import open_database
    from lard.odd import load_spec
    from lard.scenario.sequences import Flight, sequence
    from lard.tables import FRAMES, write_table
    from lard.written import keep_table

    keep_table(Path(out), FRAMES, "a frames table")
    flight = Flight(turbulence=not no_turbulence, **settings)
    frames = sequence(load_spec(odd_path), open_database(runways), airport, runway, flight, seed, split)
    write_table(frames, out, FRAMES)
    zones = ", ".join(f"{name} {count}" for name, count in frames["zone"].value_counts(sort=True).iter_rows())
    click.echo(f"{out}: {len(frames)} frames over {frames['time_s'][-1]:.1f} s ({zones})")
