"""`lard monitor failures`: wrong detections predicted, by score, certificate and a learnt head."""

from __future__ import annotations

from pathlib import Path

import click

from lard.cli.monitor import DATASET, FOLDER, KEEP, SEED_OPTION, per_airport_option, print_tables

FAILURES, TABLE, RISK = "failures.json", "detections.csv", "risk.svg"


@click.command("failures")
@click.argument("model")
@DATASET
@click.option(
    "--score",
    "point",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Operating point, for a second table of detections from there on  [default: a shipped model's own].",
)
@per_airport_option(60, "Validation pictures of each airport.", "--val-per-airport")
@per_airport_option(20, "Test pictures of each airport.", "--test-per-airport")
@SEED_OPTION
@KEEP
@FOLDER
def failures_command(
    model: str,
    dataset: Path,
    point: float | None,
    val_per_airport: int,
    test_per_airport: int,
    seed: int,
    keep: Path | None,
    out: Path,
) -> None:
    """Predict which detections of MODEL are wrong, from its features, and compare with score and certificate.

    A head learns the IoU of detections on validation airports, each left out once to choose how long;
    confidences are compared on test airports. Writes failures.json, detections.csv and risk.svg.

    \b
    Examples:
      lard monitor failures lip-fcos-s --data data/ortho --out failures/lip-fcos-s
      lard monitor failures checkpoint.pt --data data/ortho --score 0.5 --keep looks --out failures/own
    """
    from lard.assurance.domains import read_shots, spread
    from lard.assurance.failure import gathered
    from lard.assurance.failure_trial import compared, confidences_of, detections_table
    from lard.assurance.features import constant_of, open_model, refuse_learnt
    from lard.assurance.monitors import look_at
    from lard.detect.cards import card_of, shipped
    from lard.detect.models import resolve
    from lard.files import keep_others, sha256_file, staged, write_json, write_text
    from lard.report.monitors import draw, pictures_of

    keep_others(out, (FAILURES, TABLE, RISK), FAILURES)
    path = resolve(model)
    checkpoint, weights = open_model(path), sha256_file(path)
    if point is None and model in shipped():
        point = card_of(model).score_threshold
    validation = spread(read_shots(dataset, "val"), val_per_airport)
    test = spread(read_shots(dataset, "test"), test_per_airport)
    refuse_learnt(checkpoint, validation)
    found = [
        gathered(look_at(checkpoint, weights, shots, keep, f"look at {name}").looks, shots)
        for name, shots in (("val", validation), ("test", test))
    ]
    document, fitted = compared(found[0], found[1], constant_of(checkpoint), point, seed)
    document |= {"model": checkpoint.name, "model_sha256": weights}
    document["pictures"] = pictures_of(document)
    confidences = confidences_of(found[1], fitted.head.predict(found[1]), constant_of(checkpoint))
    with staged(out) as made:
        write_json(document, made / FAILURES)
        write_text(detections_table(found[1], confidences).write_csv(float_precision=5), made / TABLE)
        draw(document, made)
    print_tables(document["tables"])
