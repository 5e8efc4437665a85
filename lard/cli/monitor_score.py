"""`lard monitor score` and `departures`: monitors measured, and frames taken out of their domain."""

from __future__ import annotations

from pathlib import Path

import click

from lard.cli.monitor import DATASET, FOLDER, KEEP, SEED_OPTION, per_airport_option, print_tables
from lard.cli.options import numbers_of

DOCUMENT, DISTRIBUTIONS, ROC = "monitor.json", "distributions.svg", "roc.svg"
CHANGES = ("no runway", "rotated", "dirt")


@click.command("score")
@click.argument("fitted", metavar="MONITOR", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("model")
@DATASET
@click.option("--split", default="test", show_default=True, help="Split whose pictures are inside.")
@per_airport_option(12, "Pictures of each airport inside the domain.")
@click.option(
    "--change",
    "changes",
    type=click.Choice([*CHANGES, "none"]),
    multiple=True,
    default=CHANGES,
    show_default=True,
    help="What is done to the pictures inside to bring them outside.",
)
@click.option(
    "--domain",
    "domains",
    multiple=True,
    metavar="NAME=FOLDER",
    help="Pictures outside: a dataset folder, read whole and by verdict, or any folder of pictures.",
)
@click.option(
    "--limit", type=click.IntRange(5), default=40, show_default=True, help="Pictures of each group outside."
)
@click.option(
    "--eps",
    default="0.1,0.25,0.5,1,2,4",
    show_default=True,
    help="L2 norms of perturbations of whole pictures, pixels in [0, 1], for what is certified.",
)
@SEED_OPTION
@KEEP
@FOLDER
def score_command(
    fitted: Path,
    model: str,
    dataset: Path,
    split: str,
    per_airport: int,
    changes: tuple[str, ...],
    domains: tuple[str, ...],
    limit: int,
    eps: str,
    seed: int,
    keep: Path | None,
    out: Path,
) -> None:
    """Measure MONITOR on pictures inside and outside of the domain of MODEL.

    Inside are pictures of --data with a runway that the ODD requires. Datasets outside are split by the
    verdict of each picture's best labelled runway. Writes monitor.json, distributions.svg and roc.svg.

    \b
    Examples:
      lard monitor score fcos-s.monitor.npz fcos-s --data data/ortho --out monitors/fcos-s
      lard monitor score m.npz checkpoint.pt --data data/ortho --domain fog=data/fog --domain video=clips/ \\
          --change dirt --out monitors/own
    """
    from lard.assurance import domains as sets
    from lard.assurance.features import constant_of, open_model
    from lard.assurance.monitor_file import check_model, read_monitor
    from lard.assurance.monitors import look_at
    from lard.assurance.trial import Group, check_sets, tried
    from lard.detect.models import resolve
    from lard.errors import naming
    from lard.files import keep_others, sha256_file, staged, write_json
    from lard.report.monitors import draw, pictures_of

    radii = _radii(eps)
    places = _places(domains)
    keep_others(out, (DOCUMENT, DISTRIBUTIONS, ROC), DOCUMENT)
    loaded = read_monitor(fitted)
    path = resolve(model)
    checkpoint, weights = open_model(path), sha256_file(path)
    check_model(loaded, weights, constant_of(checkpoint), fitted, model)
    within = sets.spread(sets.inside(sets.read_shots(dataset, split)), per_airport)
    groups: dict[str, list[sets.Shot]] = {}
    if "none" not in changes:
        groups |= {name: sets.limited(sets.changed(within, name), limit) for name in dict.fromkeys(changes)}
    for name, place in places.items():
        groups |= sets.by_verdict(name, sets.read_domain(name, place), limit)
    few = {name: len(shots) for name, shots in groups.items() if len(shots) < sets.LEAST_OUTSIDE}
    with naming(f"{dataset}, split {split}"):
        check_sets(loaded, [shot.airport for shot in within], [name for name in groups if name not in few])
    own = look_at(checkpoint, weights, within, keep, "inside")
    beyond = [
        Group(name, look_at(checkpoint, weights, shots, keep, name))
        for name, shots in groups.items()
        if name not in few
    ]
    document = tried(loaded, own, beyond, radii, seed)
    document["left_out"] = few  # too few to say anything, by group
    document["pictures"] = pictures_of(document)
    with staged(out) as made:
        write_json(document, made / DOCUMENT)
        draw(document, made)
    print_tables(document["tables"])


@click.command("departures")
@click.argument("frames_path", metavar="FRAMES", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--split", default="test", show_default=True, help="Split whose frames are changed.")
@click.option(
    "--n", "count", type=click.IntRange(1), default=40, show_default=True, help="Frames of each table."
)
@FOLDER
def departures_command(frames_path: Path, split: str, count: int, out: Path) -> None:
    """Write frames of a table under haze, fog, rain and night, the approaches unchanged, to be rendered.

    \b
    Examples:
      lard monitor departures data/frames.parquet --out departures
      lard render departures/night.parquet --ground data/ground --out data/night
      lard label data/night --odd odd_specs/lard_v2.yaml
      lard export coco data/night --out data/night/coco
    """
    from lard.assurance.departures import DEPARTURES, departed, keep_tables
    from lard.errors import naming
    from lard.files import staged
    from lard.tables import FRAMES, POSE, read_table, write_table

    keep_tables(out)
    frames = read_table(frames_path, FRAMES, POSE)
    with naming(frames_path):
        tables = {name: departed(frames, name, split, count) for name in DEPARTURES}
    with staged(out) as made:
        for name, table in tables.items():
            write_table(table, made / f"{name}.parquet", FRAMES)
    click.echo(f"{out}: {', '.join(f'{name} ({len(table)})' for name, table in tables.items())}")


def _places(domains: tuple[str, ...]) -> dict[str, Path]:
    """The folders of --domain by name."""
    found: dict[str, Path] = {}
    for text in domains:
        name, _, place = text.partition("=")
        name, fault = name.strip(), ""
        if not name or not place or not name.isprintable() or len(name) > 40:
            fault = f"{text!r:.80}: expected NAME=FOLDER, as in fog=data/fog"
        elif name in found or name in (*CHANGES, "inside"):
            fault = f"{name!r} is taken; name each domain once, and none as a change"
        if fault:
            raise click.BadParameter(fault, param_hint="--domain")
        found[name] = Path(place)
    return found


def _radii(text: str) -> list[float]:
    """The norms of --eps, ascending, each once."""
    import math

    found = numbers_of(text)
    if found is None or not all(math.isfinite(eps) and 0 < eps <= 1e4 for eps in found) or len(found) > 20:
        raise click.BadParameter(
            f"{text!r}: expected up to 20 L2 norms above 0 separated by commas, pixels in [0, 1]",
            param_hint="--eps",
        )
    return sorted({float(f"{eps:g}") for eps in found})
