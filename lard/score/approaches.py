"""The parts of a score report that matter on final approach: corners, pose, integrity, sequences.

Each is there where results and ground truth allow it; else `not_computed` says in one line why not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lard.airports.model import RunwayDatabase
from lard.airports.table import load_shipped
from lard.score.corners import corner_errors
from lard.score.evaluation import Evaluation
from lard.score.integrity import Integrity, integrity_report
from lard.score.keypoints import truth_fault
from lard.score.pnp import solve
from lard.score.pose import pose_report
from lard.score.sequences import sequence_report
from lard.score.sightings import CLOSE_PX, Geometry, Sightings, geometry_of, sightings

INTEGRITY = Integrity()


def approach_parts(
    evaluation: Evaluation,
    results: Sequence[Mapping[str, Any]],
    score: float | None,
    runways: RunwayDatabase | None = None,
    design: Integrity = INTEGRITY,
) -> dict[str, Any]:
    """corners, pose, integrity and sequences at a score, and not_computed with the reason for each missing.

    Without a runway database it is the shipped one; it must give the corners of the ground truth.
    """
    if score is None:
        reason = "there is no operating point"
        return {"not_computed": dict.fromkeys(("corners", "pose", "integrity", "sequences"), reason)}
    parts, missing = _corner_parts(evaluation, results, score, runways, design)
    timed, reason = sequence_report(evaluation, results, score)
    parts |= {"sequences": timed} if timed else {}
    missing |= {} if timed else {"sequences": reason}
    return parts | ({"not_computed": missing} if missing else {})


def _corner_parts(
    evaluation: Evaluation,
    results: Sequence[Mapping[str, Any]],
    score: float,
    runways: RunwayDatabase | None,
    design: Integrity,
) -> tuple[dict[str, Any], dict[str, str]]:
    names = ("corners", "pose", "integrity")
    truth = evaluation.truth
    if not any("keypoints" in row for row in results):
        return {}, dict.fromkeys(names, "no detection carries corners (keypoints)")
    if fault := truth_fault(truth):
        return {}, dict.fromkeys(names, fault)
    found = sightings(evaluation, results, score)
    matched = int((evaluation.matches().right[0] & (evaluation.scores >= score)).sum())
    required = int((~evaluation.crowd).sum())
    parts: dict[str, Any] = {"corners": corner_errors(found, truth, matched, required)}
    whole = found[found.whole]
    if not len(whole):
        reason = "no right detection has four corners of a runway that is wholly in the picture"
        return parts, dict.fromkeys(names[1:], reason)
    database = runways or load_shipped()
    known = geometry_of(whole, truth, database)
    if reason := _unknown(known, database):
        return parts, dict.fromkeys(names[1:], reason)
    sure = known.known
    return parts | _pose_parts(whole[sure], known[sure], truth, database, len(whole), design), {}


def _unknown(known: Geometry, database: RunwayDatabase) -> str:
    """Why no runway's geometry is known; "" if one is."""
    if known.known.any():
        return ""
    off = known.off_px[np.isfinite(known.off_px)]
    table = f"the runway table {database.name} {database.version}"
    if len(off):
        return (
            f"{table} does not give the corners of the ground truth: off by {np.median(off):.3g} px,"
            f" {CLOSE_PX:g} are allowed; give the table that it was labelled with (--runways)"
        )
    return f"no picture states camera and pose and shows a runway of {table}"


def _pose_parts(
    found: Sightings,
    known: Geometry,
    truth: Mapping[str, Any],
    database: RunwayDatabase,
    of: int,
    design: Integrity,
) -> dict[str, Any]:
    solved = solve(known.corners_m, known.seen_px, known.focal_px)
    table = {
        "runway_db": database.name,
        "runway_db_version": database.version,
        "greatest_difference_px": float(known.off_px.max()),
        "without_geometry": of - len(known),
    }
    parts: dict[str, Any] = {"pose": {"geometry": table, **pose_report(found, solved, known, truth)}}
    good = solved.found
    if good.any():
        parts["integrity"] = integrity_report(found[good], solved[good], known[good], truth, design)
    return parts
