"""Scores of a shipped model, as `lard score` computed them, on its card."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lard.detect.cards import CornersMeasured, Measured, appraised, corners_appraised, shipped_corners
from lard.errors import SpecError
from lard.report.scorefile import read_score
from pipelines.stage import run

USAGE = (
    "expected a model's name, --scales 1,2, --relative, --blend where lard predict was given them, then"
    " WHAT=score.json for each set of pictures"
)


def main(name: str, *given: str) -> None:
    """Write the scores of the files named into the card of a shipped detector or corner model."""
    way, rest = _way(given)
    pairs = [one.partition("=") for one in rest]
    if not pairs or not all(what and equals and path for what, equals, path in pairs):
        raise SpecError(f"{USAGE}; found {' '.join(given) or 'none'}")
    if name in shipped_corners():
        if way:
            raise SpecError(f"{name}: a corner model; --scales, --relative and --blend are about detectors")
        for found in corners_appraised(name, [_corners(what, Path(path)) for what, _, path in pairs]).scores:
            print(f"{name} on {found.on}, {found.boxes}: median {found.corner_px_median} px")
        return
    for one in appraised(name, [_measured(what, Path(path), way) for what, _, path in pairs]).scores:
        print(f"{name} on {one.what}: AP {one.AP}, AP50 {one.AP50}")


def _way(given: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """How the pictures were searched, as fields of Measured, and the arguments after that."""
    way: dict[str, Any] = {}
    rest = list(given)
    while rest and rest[0].startswith("--"):
        option = rest.pop(0)
        if option in ("--relative", "--blend"):
            way[option.removeprefix("--")] = True
        elif option == "--scales" and rest:
            text = rest.pop(0)
            try:
                way["scales"] = tuple(float(one) for one in text.split(","))
            except ValueError:
                raise SpecError(f"--scales {text}: expected numbers with commas, as in 1,2") from None
        else:
            raise SpecError(f"{USAGE}; found {option}")
    return way, rest


def _measured(what: str, path: Path, way: dict[str, Any]) -> Measured:
    report = read_score(path)
    overall, point = report["overall"], report.get("operating_point") or {}
    zones = {zone: found.get("AP50") for zone, found in (report.get("slices") or {}).get("zone", {}).items()}
    told = point if point.get("chosen_on") in ("validation", "stated") else {}
    return Measured.model_validate(
        {
            "on": what,
            **way,
            "pictures": overall.get("images"),
            "AP": overall.get("AP"),
            "AP50": overall.get("AP50"),
            "by_zone": {zone: share for zone, share in zones.items() if share is not None},
            "score_threshold": told.get("score"),
            "recall": told.get("recall"),
            "false_alarms_per_image": told.get("false_alarms_per_image"),
        }
    )


def _corners(what: str, path: Path) -> CornersMeasured:
    report = read_score(path)
    corners, point = report.get("corners") or {}, report.get("operating_point") or {}
    pose = report.get("pose") or {}
    errors = corners.get("error_px")
    if errors is None:
        raise SpecError(f"{path}: no corners in it; score results of lard predict --corners")
    sizes = {key: value["median"] for key, value in (pose.get("errors") or {}).items()}
    return CornersMeasured.model_validate(
        {
            "on": what,
            "boxes": f"{report['model']}, from score {point['score']:g} on",
            "pictures": report["overall"].get("images"),
            "required": corners["required"],
            "share": corners["share"],
            "corner_px_median": errors["median"],
            "corner_px_p95": errors["p95"],
            "by_zone_px": {zone: one["median"] for zone, one in corners.get("by_zone", {}).items()},
            "poses": pose.get("solved", 0),
            "pose_median": sizes,
        }
    )


if __name__ == "__main__":
    run(lambda: main(*sys.argv[1:]))
