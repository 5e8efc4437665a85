"""What scores were computed from: datasets, domain, versions, hashes, and airports seen before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lard import __version__
from lard.intake.coco import read_coco
from lard.score.truth import Paths, several, source_of, truth_sha256
from lard.tables import sha256_file

_INFO = ("name", "split", "runway_db", "runway_db_version", "tool_version")


def provenance(
    truth_paths: Paths, trained_on: Paths | None = None, tuned_on: Paths | None = None
) -> dict[str, Any]:
    """Datasets with their hashes, and test airports that are among those of training or validation files.

    Files of any number of sources; an airport is its code. Where training is not known, its airports are
    None and nothing is claimed.
    """
    datasets = [_dataset(path) for path in several(truth_paths)]
    used = {
        "train": None if trained_on is None else airports_in(trained_on),
        "validation": None if tuned_on is None else airports_in(tuned_on),
    }
    return {
        "lard": __version__,
        "datasets": datasets,
        "truth_sha256": truth_sha256(truth_paths),
        "airports": seen_airports(
            {code for dataset in datasets for code in dataset["airports"]},
            used["train"],
            used["validation"],
            sum(dataset["images_without_airport"] for dataset in datasets),
        ),
    }


def seen_airports(
    test: Iterable[str], train: Sequence[str] | None, validation: Sequence[str] | None, unnamed: int = 0
) -> dict[str, Any]:
    """The test airports, those of training and validation, and the test airports among the latter.

    `unnamed` test pictures without an airport cannot be compared.
    """
    tested = sorted(set(test))
    return {
        "test": tested,
        "train": None if train is None else sorted(set(train)),
        "validation": None if validation is None else sorted(set(validation)),
        "seen_in_training": sorted(set(tested) & set(train or ())),
        "seen_in_validation": sorted(set(tested) & set(validation or ())),
        "images_without_airport": unnamed,
    }


def with_training(airports: Mapping[str, Any], train: tuple[str, ...] | None, told_by: str) -> dict[str, Any]:
    """The comparison of airports with those that a card or weights say were trained on, in either case."""
    if train is None:
        return dict(airports)
    known = {code.strip().upper() for code in train}
    return {
        **airports,
        "train": sorted(known),
        "train_told_by": told_by,
        "seen_in_training": sorted(code for code in airports["test"] if code.strip().upper() in known),
    }


def airports_in(paths: Paths) -> list[str]:
    """Codes of the airports of the images of COCO files."""
    found: set[str] = set()
    for path in several(paths):
        found |= set(_codes(read_coco(path).images))
    return sorted(found)


def _codes(images: Iterable[Mapping[str, Any]]) -> list[str]:
    return [str(image["airport"]) for image in images if image.get("airport")]


def _dataset(path: Path) -> dict[str, Any]:
    coco = read_coco(path)
    info = coco.document.get("info")
    known: Mapping[str, Any] = info if isinstance(info, dict) else {}
    odd = known.get("odd")
    spec: Mapping[str, Any] = odd if isinstance(odd, dict) else {}
    codes = _codes(coco.images)
    return {
        "source": source_of(coco.document, path),
        **{key: str(known[key]) for key in _INFO if known.get(key) is not None},
        **{f"odd_{key}": str(spec[key]) for key in ("name", "version", "sha256") if spec.get(key)},
        "sha256": sha256_file(path),
        "images": len(coco.images),
        "runways": len(coco.annotations),
        "airports": sorted(set(codes)),
        "images_without_airport": len(coco.images) - len(codes),
    }
