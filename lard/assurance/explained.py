"""Explanations of several detectors on runways of a dataset, and what they add up to."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from lard.assurance.certified_masks import EPS
from lard.assurance.choice import balanced, runway_of
from lard.assurance.deletion import SHARES
from lard.assurance.explained_tables import NUMBERS, table
from lard.assurance.intervals import METHOD, mean_interval, paired_difference
from lard.assurance.methods import CONTROL
from lard.assurance.pointing import likeness, relative_consistency
from lard.assurance.saliency import PANEL, Explained, ExplainPlan, Unit, explain, sight_of
from lard.detect.data import Picture, read_pictures
from lard.errors import ModelError
from lard.files import atomic_path, below, folders_for, sha256_file, staged, write_json, write_text
from lard.progress import track
from lard.robust.unit import Target, opened
from lard.score.truth import Paths, coco_paths, read_truth, truth_sha256
from lard.workers import Shares, run_tasks, workers_of

FORMAT = "lard-explain-1"
DOCUMENT, TABLE, GALLERY, JOURNAL = "explain.json", "explain.csv", "gallery", ".journal"
FILES = (DOCUMENT, TABLE, GALLERY)


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """The pictures with a runway each, by its place among the required ones, and what they are of."""

    pictures: list[Picture]
    runways: list[int]
    split: str
    sha256: str


def subject_of(datasets: Paths, split: str, most: int, seed: int) -> Subject:
    """At most so many pictures of a split, balanced over zones and airports, with the runway of each."""
    paths = coco_paths(datasets, split)
    pictures = balanced(read_pictures(datasets, split), most, seed, ", ".join(map(str, paths)))
    notes: dict[int, list[Mapping[str, Any]]] = {picture.image_id: [] for picture in pictures}
    for note in read_truth(paths)["annotations"]:
        if int(note["image_id"]) in notes:
            notes[int(note["image_id"])].append(note)
    runways = [runway_of(picture, notes[picture.image_id]) for picture in pictures]
    return Subject(pictures, runways, split, truth_sha256(paths))


def campaign(
    plan: ExplainPlan,
    targets: Sequence[Target],
    subject: Subject,
    out: Path,
    shown: int,
    processes: str | int = 1,
) -> dict[str, Any]:
    """Explain every runway before every detector, write document, table and gallery, and return the document.

    What is done of a runway stays in the journal; all other files are written at the end or not at all.
    """
    asked = {target: _asked(plan, target) for target in targets}
    journal = below(out, f"{JOURNAL}/x").parent
    work = [
        _unit(asked[target], target, subject, place, journal, place in _shown(len(subject.pictures), shown))
        for target in targets
        for place in range(len(subject.pictures))
    ]
    shares = Shares(journal, (*(one.file for one in targets), *(one.path for one in subject.pictures[:1])))
    with folders_for(journal):
        done = run_tasks(workers_of(processes, shares), _numbered, list(enumerate(map(_placed, work))))
        found = [one for _, one in sorted(track(done, "explain", len(work), "runways"), key=itemgetter(0))]
    count = len(subject.pictures)
    by_target = {
        target.name: found[place * count : (place + 1) * count] for place, target in enumerate(targets)
    }
    document = document_of(plan, targets, subject, by_target)
    with staged(out) as made:
        write_json(document, made / DOCUMENT)
        write_text(table(by_target), made / TABLE)
        for unit in work:
            if unit.shows:
                drawn = below(made, f"{GALLERY}/{unit.target.name}/{unit.picture.image_id}.png")
                with atomic_path(drawn) as temporary:
                    shutil.copyfile(unit.folder / PANEL, temporary)
    return document


def _placed(unit: Unit) -> Unit:
    """The unit for a worker, which may stand in another folder."""
    return replace(
        unit,
        target=replace(unit.target, file=unit.target.file.absolute()),
        picture=replace(unit.picture, path=unit.picture.path.absolute()),
        folder=unit.folder.absolute(),
    )


def _asked(plan: ExplainPlan, target: Target) -> ExplainPlan:
    """The plan of one detector: a plain one beside Lipschitz ones is not asked for its radius."""
    if opened(target.file).bound is not None:
        return plan
    kept = tuple(name for name in plan.methods if name != "radius")
    if not kept:
        raise ModelError(
            f"{target.name}: has no Lipschitz constant, which method radius needs; use a lip-fcos model"
        )
    return ExplainPlan(kept, plan.maps, plan.seed, plan.farthest_px)


def _shown(count: int, most: int) -> set[int]:
    """Places of the runways that are drawn, evenly among all."""
    return set(np.linspace(0, count - 1, min(most, count)).round().astype(int).tolist()) if most else set()


def _unit(
    plan: ExplainPlan, target: Target, subject: Subject, place: int, journal: Path, shows: bool
) -> Unit:
    picture, runway = subject.pictures[place], subject.runways[place]
    told = [
        FORMAT, asdict(plan), SHARES, EPS, sha256_file(target.file), target.score, subject.sha256,
        picture.image_id, runway, sha256_file(picture.path),
    ]  # fmt: skip
    key = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]
    return Unit(plan, target, picture, runway, journal / f"{picture.image_id}-{key}", shows)


def _numbered(work: tuple[int, Unit]) -> tuple[int, Explained]:
    return work[0], explain(work[1])


def document_of(
    plan: ExplainPlan, targets: Sequence[Target], subject: Subject, found: Mapping[str, Sequence[Explained]]
) -> dict[str, Any]:
    """All that the explanations say, with an interval each."""
    airports = [picture.info.get("airport") for picture in subject.pictures]
    models = {}
    for target in targets:
        loaded = opened(target.file)
        models[target.name] = {
            "family": loaded.net.spec.family,
            "L": None if loaded.bound is None else loaded.bound.constant,
            "score_threshold": target.score,
            "sha256": sha256_file(target.file),
            "looks_px": list(sight_of(target, plan.farthest_px).margins_px),
            **model_report([one.row for one in found[target.name]], airports, plan.seed),
        }
    pairs = list(itertools.combinations([target.name for target in targets], 2))
    zones = [str(picture.info.get("zone") or "unknown") for picture in subject.pictures]
    return {
        "format": FORMAT,
        "split": subject.split,
        "truth_sha256": subject.sha256,
        "pictures": len(subject.pictures),
        "airports": len(set(airports)),
        "by_zone": {zone: zones.count(zone) for zone in sorted(set(zones))},
        "settings": {**asdict(plan), "methods": list(plan.methods)},
        "intervals": METHOD,
        "norm": "L2 over all pixels and channels, pixels in [0, 1]",
        "models": models,
        "pairs": [
            pair_report(first, second, found[first], found[second], airports, plan.seed)
            for first, second in pairs
        ],
    }


def model_report(
    rows: Sequence[Mapping[str, Any]], airports: Sequence[str | None], seed: int
) -> dict[str, Any]:
    """Means over the runways of one detector: of its methods, its masks and its counterfactuals."""

    def mean(values: Sequence[Any]) -> dict[str, Any]:
        return mean_interval(values, airports, seed)

    methods = {}
    for name in rows[0]["methods"]:
        own = [row["methods"][name] for row in rows]
        methods[name] = {key: mean([one.get(key) for one in own]) for key in NUMBERS}
        methods[name]["masks"] = {
            kind: {
                eps: {
                    # of the runways that the picture itself decides so, those a share of it certifies
                    "certified": mean([one["masks"][kind][eps] is not None for one in own]),
                    "share": mean([one["masks"][kind][eps] for one in own]),
                }
                for eps in own[0]["masks"][kind]
            }
            for kind in ("sufficient", "necessary")
        }
    turned = [row["counterfactual"] for row in rows]
    changes = {}
    for kind in ("silence", "appear"):
        own = [one if one["kind"] == kind else {} for one in turned]
        norms = [one["norm"] for one in own if one and one["norm"] is not None]
        ratios = [one["ratio"] for one in own if one and one["ratio"] is not None]
        changes[kind] = {
            "runways": sum(map(bool, own)),
            "found": len(norms),
            "median_norm": float(np.median(norms)) if norms else None,
            "median_ratio": float(np.median(ratios)) if ratios else None,
            "least_ratio": min(ratios, default=None),
            **{key: mean([one.get(key) for one in own]) for key in ("norm", "ratio", "inside", "within")},
        }
    return {
        "runways": len(rows),
        "fires": mean([row["fires"] for row in rows]),
        "serving": sum(row["serving"] for row in rows),
        "largest_cut_off": max(row["cut_off"] for row in rows),
        "beyond_field": mean([row["beyond_field"] for row in rows]),
        "methods": methods,
        "counterfactuals": changes,
    }


def pair_report(
    first: str,
    second: str,
    left: Sequence[Explained],
    right: Sequence[Explained],
    airports: Sequence[str | None],
    seed: int,
) -> dict[str, Any]:
    """Two detectors on the same runways: differences of the numbers (second - first), likeness of the maps.

    Likeness is told apart for runways on which both decide alike (MeGe) and otherwise; ReCo is how well
    it tells one from the other (Fel et al., 2022).
    """
    alike = [a.row["fires"] == b.row["fires"] for a, b in zip(left, right, strict=True)]
    methods = {}
    for name in left[0].row["methods"]:
        if name == CONTROL or name not in right[0].row["methods"]:
            continue  # the control draws the same noise before every detector
        sides = [[one.row["methods"][name] for one in rows] for rows in (left, right)]
        same = [likeness(a.maps[name], b.maps[name]) for a, b in zip(left, right, strict=True)]
        told = [
            np.array([x for x, y in zip(same, alike, strict=True) if x is not None and y == wanted])
            for wanted in (True, False)
        ]
        methods[name] = {
            "likeness": mean_interval(same, airports, seed),
            "likeness_where_alike": mean_interval(
                [x if y else None for x, y in zip(same, alike, strict=True)], airports, seed
            ),
            "reco": relative_consistency(*told),
            "differences": {
                key: paired_difference(
                    [one.get(key) for one in sides[0]], [one.get(key) for one in sides[1]], airports, seed
                )
                for key in NUMBERS
                if key not in ("area", "gap")
            },
        }
    return {"first": first, "second": second, "alike": sum(alike), "methods": methods}
