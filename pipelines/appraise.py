"""Scores of a shipped model, as `lard score` computed them, on its card."""

import sys
from pathlib import Path

from lard.detect.cards import Measured, appraised
from lard.errors import SpecError
from lard.report.scorefile import read_score
from pipelines.stage import run

USAGE = "expected a model's name, then WHAT=score.json for each set of pictures"


def main(name: str, *given: str) -> None:
    """Write the scores of the files named into the card lard/detect/zoo/NAME.json."""
    pairs = [one.partition("=") for one in given]
    if not pairs or not all(what and equals and path for what, equals, path in pairs):
        raise SpecError(f"{USAGE}; found {' '.join(given) or 'none'}")
    for one in appraised(name, [_measured(what, Path(path)) for what, _, path in pairs]).scores:
        print(f"{name} on {one.on}: AP {one.AP}, AP50 {one.AP50}")


def _measured(what: str, path: Path) -> Measured:
    report = read_score(path)
    overall, point = report["overall"], report.get("operating_point") or {}
    zones = {zone: found.get("AP50") for zone, found in (report.get("slices") or {}).get("zone", {}).items()}
    told = point if point.get("chosen_on") in ("validation", "stated") else {}
    return Measured.model_validate(
        {
            "on": what,
            "pictures": overall.get("images"),
            "AP": overall.get("AP"),
            "AP50": overall.get("AP50"),
            "by_zone": {zone: share for zone, share in zones.items() if share is not None},
            "score_threshold": told.get("score"),
            "recall": told.get("recall"),
            "false_alarms_per_image": told.get("false_alarms_per_image"),
        }
    )


if __name__ == "__main__":
    run(lambda: main(*sys.argv[1:]))
