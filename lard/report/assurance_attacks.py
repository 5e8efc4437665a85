"""What the assurance page shows of `lard certify`, `lard attack` and `lard conform`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lard.report.assurance_tables import Table


def certificate_tables(document: Mapping[str, Any]) -> list[Table]:
    """What no change of a norm can do, by its size."""
    clean = document["clean"]
    rows: list[list[Any]] = [["0", clean["firing_recall"], None, None, None, None]]
    rows += [
        [
            eps,
            found["certified_firing_recall"],
            found["never_silent_pictures"],
            found["quiet_pictures"],
            found["worst_precision"],
            found["ceiling"],
        ]
        for eps, found in document["by_eps"].items()
    ]
    columns = [
        "eps", "certified firing recall", "pictures never silent", "pictures kept quiet off the runways",
        "worst precision of locations", "estimated limit",
    ]  # fmt: skip
    note = (
        f"{document['runways']} required runways; {document['norm']}. Runways fire from a score of"
        f" {document['threshold']['score']:g}, chosen on {document['threshold']['chosen_on']}. Row 0 is the"
        " clean picture. Boxes are not certified."
    )
    return [Table(str(document.get("model", "a Lipschitz model")), columns, rows, note)]


def attack_tables(document: Mapping[str, Any]) -> list[Table]:
    """Scores by the size of the change, and the smallest changes."""
    curve = [
        [name, goal, row["eps"], row["AP50"], row["recall"], row["silent"], row["false_alarms_per_image"]]
        for name, model in document["models"].items()
        for goal, found in model["goals"].items()
        for row in found["curve"]
    ]
    smallest = [
        [name, goal, found["smallest"]["pictures"], found["smallest"]["median"],
         found["smallest"]["median_held"], found["smallest"]["censored"]]
        for name, model in document["models"].items()
        for goal, found in model["goals"].items()
        if "smallest" in found
    ]  # fmt: skip
    note = f"{document['pictures']} pictures of split {document['split']}; {document['norm']}."
    tables = [
        Table(
            "Under attack",
            ["model", "goal", "eps", "AP50", "recall", "silent pictures", "false alarms a picture"],
            curve,
            f"{note} What an attack does not find may still exist.",
        )
    ]
    if smallest:
        columns = ["model", "goal", "pictures", "median", "of those that held when clean", "not found"]
        tables.append(Table("Smallest changes found", columns, smallest, note))
    return tables


def conform_tables(document: Mapping[str, Any]) -> list[Table]:
    """What is stated, what of it held on the test pictures, and what it assumes."""
    covered = document["coverage"]
    stated = document["says"]
    rows = [[name, text] for name, text in stated.items()]
    interval = covered.get("interval")
    held = [
        ["runways found in their grown boxes, mean of airports", covered["mean_of_airports"]],
        ["95 %", "–" if not interval else f"{interval[0]:.3f} to {interval[1]:.3f}"],
        ["lowest airport", covered["lowest_airport"]],
        ["pooled", covered["pooled"]],
        ["stated", 1 - document["alpha"]],
    ]
    note = f"Unit: {document['unit']}; method {document['method']}, sides {document['sides']}."
    return [
        Table("What is stated", ["of", "says"], rows, note),
        Table("What held on the test pictures", ["measure", "value"], held),
    ]
