"""Confidences of detections compared: raw score, certificate and predicted overlap, on unseen airports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lard.assurance.failure import BEST, RIGHT_IOU, CrossFitted, Found, check_enough, cross_fit
from lard.assurance.features import FLOOR
from lard.assurance.intervals import ALIKE
from lard.assurance.ranks import interval, resampled
from lard.assurance.selective import KEPT, aupr_error, aurc, least_aurc, passed, risk_curve
from lard.errors import DataError
from lard.robust.certify import SLACK
from lard.score.inference import LEAST_AIRPORTS

Floats = NDArray[np.float64]

SCORE, CERTIFICATE, AGREEMENT, HEAD = (
    "raw score", "firing radius", "agreement (no certificate)", "predicted IoU"
)  # fmt: skip
TRUTH = "the truth"
SAYS = {
    SCORE: "the score that the detector gives",
    CERTIFICATE: "no perturbation of a smaller L2 norm takes all cells that agree with the box below a score"
    f" of {FLOOR}",
    AGREEMENT: "norm of the agreeing logits above the floor; a plain model has no constant to divide it by",
    HEAD: "what the head expects of the box, trained on validation airports",
}
MEASURES: dict[str, Callable[..., float]] = {"AUPR_error": aupr_error, "AURC": aurc, "FPR95": passed}
AT_POINT, ALL = "from the operating point on", f"best {BEST} of a picture from score {FLOOR:g} on"


def compared(
    validation: Found, test: Found, constant: float | None, point: float | None, seed: int
) -> tuple[dict[str, Any], CrossFitted]:
    """Train the head on validation detections and compare confidences on test ones.

    DataError for airports in both, or too few detections; a slice with too few says so instead.
    """
    if shared := sorted((set(validation.airports.tolist()) & set(test.airports.tolist())) - {""}):
        raise DataError(f"airport {shared[0]} is in both splits; failures must be predicted on others")
    check_enough(test, "test")
    fitted = cross_fit(validation, seed)
    slices = {ALL: np.ones(len(test), bool)}
    if point is not None:
        slices[AT_POINT] = test.scores >= point
    confidences = confidences_of(test, fitted.head.predict(test), constant)
    rows: dict[str, Any] = {}
    for name, chosen in slices.items():
        try:
            check_enough(test.part(chosen), "test")
        except DataError as error:
            rows[name] = {"not_possible": str(error)}
            continue
        rows[name] = _measured(
            test.part(chosen), {key: value[chosen] for key, value in confidences.items()}, seed
        )
    own = confidences_of(validation, fitted.held_out, constant)
    document: dict[str, Any] = {
        "format": "lard-failure",
        "confidences": {name: SAYS[name] for name in confidences},
        "right": f"a detection is right when its IoU with a required runway is {RIGHT_IOU} or more",
        "least_score": FLOOR,
        "detections_of_a_picture": BEST,
        "operating_point": point,
        "lipschitz_constant": constant,
        "interval": f"bootstrap over airports, 95 %; none below {LEAST_AIRPORTS} airports; {ALIKE}",
        "head": {
            "rounds": fitted.rounds,
            "airports": sorted(set(validation.airports.tolist())),
            "detections": len(validation),
            "wrong": int(validation.wrong.sum()),
            "left_out_airports": _measured(validation, own, seed),
        },
        "mean_absolute_error_of_IoU": _errors(test, validation, confidences[HEAD]),
        "test": rows,
        "curves": risk_curves(test, confidences),
    }
    return document | {"tables": tables_of(document)}, fitted


def confidences_of(found: Found, predicted: Floats, constant: float | None) -> dict[str, Floats]:
    """What each detection may be trusted by: (n,) each."""
    certificate = (
        {AGREEMENT: found.support}
        if constant is None
        else {CERTIFICATE: found.support / (constant * (1 + SLACK))}
    )
    return {SCORE: found.scores, **certificate, HEAD: predicted}


def risk_curves(test: Found, confidences: Mapping[str, Floats]) -> dict[str, list[list[float]]]:
    """Coverage and risk of each confidence and of the truth, as JSON keeps them."""
    ideal = -test.wrong.astype(float) + test.scores / 2
    return {
        name: [[round(float(one), 5) for one in axis] for axis in risk_curve(values, test.wrong)]
        for name, values in (*confidences.items(), (TRUTH, ideal))
    }


def _measured(found: Found, confidences: Mapping[str, Floats], seed: int) -> dict[str, Any]:
    """Measures of each confidence, with intervals, and of all but the score the difference from it."""
    wrong = found.wrong
    drawn = resampled(found.airports, found.airports, seed=seed)
    # a draw of airports where all is right, or all wrong, measures nothing
    weights = [
        row for row in (drawn.inside if drawn is not None else []) if 0 < (row * wrong).sum() < row.sum()
    ]
    rows: dict[str, Any] = {}
    tries: dict[str, dict[str, Floats]] = {}
    for name, values in confidences.items():
        tries[name] = {
            key: np.array([measure(values, wrong, row) for row in weights])
            for key, measure in MEASURES.items()
        }
        rows[name] = {key: measure(values, wrong) for key, measure in MEASURES.items()}
        for key in MEASURES:
            rows[name][f"{key}_interval"] = interval(tries[name][key]) if weights else None
            gaps = tries[name][key] - tries[SCORE][key]
            rows[name][f"{key}_less_score_interval"] = interval(gaps) if weights and name != SCORE else None
    return {
        "detections": len(found),
        "wrong": int(wrong.sum()),
        "airports": len(np.unique(found.airports)),
        "least_AURC": least_aurc(wrong),
        "confidences": rows,
    }


def _errors(test: Found, validation: Found, predicted: Floats) -> dict[str, float]:
    """How far the head's IoU is off, beside the best constant of the validation detections."""
    constant = float(np.median(validation.overlap))
    return {
        "head": float(np.abs(predicted - test.overlap).mean()),
        "constant": float(np.abs(constant - test.overlap).mean()),
    }


def tables_of(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The document as tables of texts: title, columns, rows, note."""
    found = []
    for name, row in document["test"].items():
        if "not_possible" in row:
            found.append({"title": f"Failure prediction, {name}", "columns": [], "rows": [],
                          "note": row["not_possible"]})  # fmt: skip
            continue
        rows = [
            [key, *(_cell(one, measure) for measure in MEASURES), _gap(one)]
            for key, one in row["confidences"].items()
        ]
        found.append(
            {
                "title": f"Failure prediction, {name}",
                "columns": ["confidence", "AUPR-error", "AURC", "FPR at 95 %", "AURC less that of the score"],
                "rows": rows,
                "note": _note(row),
            }
        )
    return found


def _note(row: Mapping[str, Any]) -> str:
    count, wrong = row["detections"], row["wrong"]
    return (
        f"{count} detections at {row['airports']} unseen airports, {wrong} wrong (at random AUPR-error is"
        f" near {wrong / count:.3f}); AURC cannot be below {row['least_AURC']:.4f}. FPR: wrong ones accepted"
        f" where {KEPT:.0%} of right ones are. In brackets 95 % over airports."
    )


def _cell(row: Mapping[str, Any], key: str) -> str:
    ends = row[f"{key}_interval"]
    return f"{row[key]:.3f}" + (f" [{ends[0]:.3f}, {ends[1]:.3f}]" if ends else "")


def _gap(row: Mapping[str, Any]) -> str:
    ends = row["AURC_less_score_interval"]
    return f"{ends[0]:+.3f} to {ends[1]:+.3f}" if ends else "–"


def detections_table(found: Found, confidences: Mapping[str, Floats]) -> pl.DataFrame:
    """A row per test detection: where, what is true of it, and what each confidence says."""
    edges = {f"{end}_px": found.boxes[:, k] for k, end in enumerate(("x0", "y0", "x1", "y1"))}
    return pl.DataFrame(
        {
            "image_id": found.images,
            "airport": found.airports.tolist(),
            **edges,
            "IoU": found.overlap,
            "wrong": found.wrong,
            **confidences,
        }
    )
