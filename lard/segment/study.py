"""Segmenters under attack on the same pictures, each beside what is certified of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lard.detect.fcos import channels_last
from lard.files import below, frame_rng, write_json
from lard.progress import track
from lard.robust.certificates import checked_radii
from lard.robust.subject import sizes_of
from lard.robust.unit import kept_json
from lard.segment.attack import Broken, Counts, attack_mask, mask_scene
from lard.segment.knapsack import least_iou
from lard.segment.reading import Seen
from lard.segment.statement import Studied, certified, scored, seen_in
from lard.tables import sha256_file

FORMAT = "lard-segmentation-attack-1"
JOURNAL = ".journal"


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes of the changes, L2 of pixels in [0, 1], ascending, and how hard the attacks try."""

    eps: tuple[float, ...]
    steps: int
    restarts: int
    seed: int


def attacked(every: Sequence[Studied], plan: Plan, out: Path) -> dict[str, Any]:
    """Attack every model on its pictures; what is done of a picture stays in the journal below `out`.

    A Lipschitz model's certificates on the same pictures stand beside; `violations` counts pictures that an
    attack brought below them, which no run may show.
    """
    eps = tuple(checked_radii(plan.eps, sizes_of(every[0].pictures)))
    plan = Plan(eps, plan.steps, plan.restarts, plan.seed)
    journal = below(out, f"{JOURNAL}/x").parent
    models: dict[str, Any] = {}
    for of in every:
        seen = seen_in(of, journal / f"seen-{of.weights_sha256[:16]}", _watched(of))
        work = track(range(len(seen)), f"attack {of.checkpoint.name}", unit="pictures")
        rows = [_picture(of, place, plan, journal) for place in work]
        models[_free(of.checkpoint.name, models)] = _model(of, seen, rows, plan)
    first = every[0].about
    shared = ("split", "pictures", "picture_sizes_px", "truth_sha256", "norm")
    return {
        "format": FORMAT,
        **{key: first[key] for key in shared},
        "settings": {**asdict(plan), "eps": list(eps)},
        "models": models,
    }


def _watched(of: Studied) -> Any:
    return lambda pictures: track(pictures, f"look {of.checkpoint.name}", unit="pictures")


def _free(name: str, taken: Mapping[str, Any]) -> str:
    """The name, with a number where another model has it."""
    count = sum(one == name or one.startswith(f"{name}-#") for one in taken)
    return f"{name}-#{count + 1}" if count else name


def _picture(of: Studied, place: int, plan: Plan, journal: Path) -> list[dict[str, Any]]:
    """A row for 0 and each size: the change's norm and the counts of the mask that it leaves."""
    picture = of.pictures[place]
    labels = [picture.ignored.tolist(), [ring.tolist() for ring in picture.polygons]]
    told = [FORMAT, asdict(plan), of.weights_sha256, of.threshold, sha256_file(picture.path), labels]
    key = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]
    path = journal / f"{picture.image_id}-{key}.json"
    kept = kept_json(path, "rows")
    if kept is not None:
        return list(kept["rows"])
    net = channels_last(of.checkpoint.net)
    for parameter in net.parameters():
        parameter.requires_grad_(False)
    scene = mask_scene(net, picture, of.threshold)
    rows, before = [], None
    for eps in plan.eps:
        rng = frame_rng(plan.seed, f"{picture.image_id}/{eps!r}")
        before = attack_mask(scene, eps, plan.steps, rng, before, plan.restarts)
        rows.append(_row(eps, before))
    write_json({"rows": rows}, path)
    return rows


def _row(eps: float, broken: Broken) -> dict[str, Any]:
    return {"eps": eps, "size": round(broken.size, 6), **asdict(broken.counts)}


def _model(of: Studied, seen: Sequence[Seen], rows: Sequence[Any], plan: Plan) -> dict[str, Any]:
    """A model's curve under attack, and what is certified of it where it has a constant."""
    curve = []
    for place, eps in enumerate(plan.eps):
        counts = [_counts(one[place]) for one in rows]
        curve.append({"eps": eps, **attacked_measures(counts)})
    found: dict[str, Any] = {**of.about, **scored(of, seen), "attacked": curve, "certified": None}
    if of.checkpoint.bound is not None:
        found["certified"] = certified(of, seen, plan.eps)
        found["violations"] = sum(
            _counts(row).iou < _floor(one, row["size"]) - 1e-12
            for one, own in zip(seen, rows, strict=True)
            for row in own
        )
    return found


def _floor(seen: Seen, size: float) -> float:
    """The IoU that a change of this norm leaves at least; 0 of a picture without runways: none is stated."""
    assert seen.reach is not None
    return least_iou(seen.margins, seen.reach.budget(size)) if seen.margins.runway else 0.0


def _counts(row: Mapping[str, Any]) -> Counts:
    return Counts(row["found"], row["missed"], row["alarms"], row["known"])


def attacked_measures(every: Sequence[Counts]) -> dict[str, float | None]:
    """Measures of masks under attack, by the names of those of clean pictures."""
    found, missed, alarms = (sum(getattr(one, key) for one in every) for key in ("found", "missed", "alarms"))
    runway = found + missed
    accuracies = [1 - (one.missed + one.alarms) / one.known for one in every if one.known]
    ious = [one.iou for one in every if one.found + one.missed]
    return {
        "pixel_accuracy": round(float(np.mean(accuracies)), 6) if accuracies else None,
        "iou": round(found / (runway + alarms), 6) if runway + alarms else None,
        "picture_iou": round(float(np.mean(ious)), 6) if ious else None,
        "false_negative_rate": round(missed / runway, 6) if runway else None,
        "alarm_pixels_per_picture": round(alarms / len(every), 6),
    }
