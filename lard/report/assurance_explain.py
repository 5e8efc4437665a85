"""What the assurance page shows of `lard explain`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lard.report.assurance_tables import Shown, Table, shown_of, told

MEASURES = {
    "hit": "pointing game",
    "inside": "energy inside",
    "lift": "over area share",
    "deletion": "deletion",
    "insertion": "insertion",
    "stability": "stability",
    "attack_likeness": "like the attack",
    "attack_cosine": "cosine with the attack",
}

NOTE = (
    "The runway outlined, each map over it (the brighter the more), the picture that turns the"
    " decision and its change, amplified"
)


def explain_tables(document: Mapping[str, Any]) -> list[Table]:
    """Methods, counterfactuals, certified masks, and pairs of models."""
    zones = ", ".join(f"{count} {zone}" for zone, count in document["by_zone"].items())
    airports, split = document["airports"], document["split"]
    of = f"{document['pictures']} runways of {airports} airports, split {split}: {zones}"
    return [
        _methods(document, of),
        _decisions(document),
        _counterfactuals(document),
        _masks(document),
        *_pairs(document),
    ]


def explain_pictures(document: Mapping[str, Any], folder: Path) -> list[Shown]:
    """The panels that were drawn beside the document, one of each runway."""
    return [
        shown_of(path, f"{name}, picture {path.stem}", NOTE)
        for name in document["models"]
        for path in sorted((folder / "gallery" / name).glob("*.png"))
    ]


def _methods(document: Mapping[str, Any], of: str) -> Table:
    rows = [
        [name, method, *(told(found[key]) for key in MEASURES)]
        for name, model in document["models"].items()
        for method, found in model["methods"].items()
    ]
    note = (
        f"{of}. Means, in brackets 95 % ({document['intervals']}). Pointing game, energy inside, insertion,"
        " stability: high is good; deletion: low. Over area share: 1 is a map that knows nothing, which the"
        " rows random show for every number."
    )
    return Table("Maps of the score", ["model", "method", *MEASURES.values()], rows, note)


def _decisions(document: Mapping[str, Any]) -> Table:
    rows = [
        [
            name,
            model["family"],
            "–" if model["L"] is None else f"{model['L']:.6f}",
            told(model["fires"]),
            told(model["beyond_field"]),
            told(model["methods"].get("gradient", {}).get("within")),
            ", ".join(str(px) for px in model["looks_px"]),
            model["largest_cut_off"],
        ]
        for name, model in document["models"].items()
    ]
    columns = [
        "model", "family", "L", "runways that fire", "score from beyond the field",
        "gradient inside the field", "looks at most, px", "score cut off",
    ]  # fmt: skip
    note = (
        "The field is a square of three times the runway's longer side, not centred on it; the share of the"
        " score that comes from beyond it can be below 0, where surroundings speak against a runway."
    )
    return Table("What the score rests on", columns, rows, note)


def _counterfactuals(document: Mapping[str, Any]) -> Table:
    rows = [
        [
            name,
            "fires: falls silent" if kind == "silence" else "missed: fires",
            f"{found['found']} of {found['runways']}",
            found["median_norm"],
            found["median_ratio"],
            found["least_ratio"],
            told(found["inside"]),
        ]
        for name, model in document["models"].items()
        for kind, found in model["counterfactuals"].items()
        if found["runways"]
    ]
    columns = [
        "model", "change", "found", "median norm", "median norm / certificate", "least of all",
        "energy inside the runway",
    ]  # fmt: skip
    note = f"Norm: {document['norm']}. No change below the certificate exists, so the ratio is never below 1."
    return Table("Counterfactuals", columns, rows, note)


def _masks(document: Mapping[str, Any]) -> Table:
    sizes = list(
        dict.fromkeys(
            eps
            for model in document["models"].values()
            for found in model["methods"].values()
            for by_eps in found["masks"].values()
            for eps in by_eps
        )
    )
    rows = [
        [name, method, kind, *(_mask(by_eps.get(eps)) for eps in sizes)]
        for name, model in document["models"].items()
        for method, found in model["methods"].items()
        for kind, by_eps in found["masks"].items()
    ]
    columns = ["model", "method", "mask", *(f"eps {eps}" for eps in sizes)]
    note = (
        "Share of runways that have one, then the mean of the least share of the field that does."
        " Sufficient: the method's best pixels alone, the rest of the field flat, fire under any change of L2"
        " norm eps. Necessary: with them covered nothing fires under any. eps 0 is measured, the others are"
        " certified by the Lipschitz constant."
    )
    return Table("Masks", columns, rows, note)


def _mask(one: Mapping[str, Any] | None) -> str:
    """The share of runways with a mask, and how much of the field it takes."""
    if one is None:
        return "–"
    share = one["share"]
    return told(one["certified"]) + ("" if share["value"] is None else f"; {told({**share, 'unknown': 0})}")


def _pairs(document: Mapping[str, Any]) -> list[Table]:
    if not document["pairs"]:
        return []
    alike = [
        [f"{pair['second']} - {pair['first']}", method, told(found["likeness"]),
         told(found["likeness_where_alike"]), found["reco"],
         *(told(found["differences"].get(key)) for key in MEASURES)]
        for pair in document["pairs"]
        for method, found in pair["methods"].items()
    ]  # fmt: skip
    columns = [
        "models",
        "method",
        "likeness of maps",
        "where both decide alike (MeGe)",
        "ReCo",
        *MEASURES.values(),
    ]
    note = (
        "On the same runways: rank correlation of the two models' maps, how well it tells agreement from"
        " disagreement (ReCo), and second less first of each number; an interval without 0 is a difference."
    )
    return [Table("Pairs of models", columns, alike, note)]
