"""Attacks of several goals on several detectors over pictures of a dataset, and what they add up to."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from operator import itemgetter
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from lard.files import below, folders_for, sha256_file, staged, write_json, write_text
from lard.progress import track
from lard.robust.balls import NAMES
from lard.robust.descent import BISECTIONS, felt
from lard.robust.gallery import stacked
from lard.robust.tally import Subject, goal_report, table
from lard.robust.unit import AttackPlan, Target, Unit, opened, run, staged_scene
from lard.tables import atomic_path
from lard.workers import Shares, run_tasks, workers_of

FORMAT = "lard-attack-1"
DOCUMENT, PICTURES, CURVES = "attack.json", "pictures.csv", "curves.svg"
DETECTIONS, GALLERY, JOURNAL = "detections", "gallery", ".journal"
FILES = (DOCUMENT, PICTURES, CURVES, DETECTIONS, GALLERY)


@dataclass(frozen=True, slots=True)
class Extras:
    """On how many pictures gradients are checked and shown, and whose attacks are tried on the others."""

    checked: int
    shown: int
    transfer: Target | None = None


def units(
    plan: AttackPlan,
    targets: Sequence[Target],
    goals: Sequence[str],
    subject: Subject,
    journal: Path,
    extras: Extras,
) -> list[Unit]:
    """Every goal against every detector on every picture; a folder's name holds all a unit rests on."""
    others = [] if extras.transfer is None else [extras.transfer]
    hashes = {one.file: sha256_file(one.file) for one in (*targets, *others)}
    made = []
    for target in targets:
        for goal in goals:
            for place, picture in enumerate(subject.pictures):
                told = [
                    FORMAT, {**asdict(plan), "queries": None}, goal, hashes[target.file], target.score,
                    subject.sha256, picture.image_id, sha256_file(picture.path),
                ]  # fmt: skip
                folder = journal / f"{goal}-{picture.image_id}-{_digest(told)}"
                source = None if extras.transfer == target else extras.transfer
                checks = f"checks-{_digest([plan.queries, source and hashes[source.file]])}.json"
                made.append(
                    Unit(
                        plan, target, goal, picture, folder, checks if place < extras.checked else None,
                        place < extras.shown, source,
                    )
                )  # fmt: skip
    return made


def campaign(
    plan: AttackPlan,
    targets: Sequence[Target],
    goals: Sequence[str],
    subject: Subject,
    out: Path,
    extras: Extras,
    processes: str | int = 1,
    *,
    draw: Callable[[dict[str, Any]], str],
    journal: Path | None = None,
) -> dict[str, Any]:
    """Attack all, write tables, detections, galleries and curves below `out`, and return the report.

    What is done of an attack stays in the journal, of its own below `out` or the folder given; all other
    files are written at the end or not at all.
    """
    journal = below(out, f"{JOURNAL}/x").parent if journal is None else journal
    work = units(plan, targets, goals, subject, journal, extras)
    shares = Shares(journal, (*(one.file for one in targets), *(one.path for one in subject.pictures[:1])))
    with folders_for(journal):
        done = run_tasks(workers_of(processes, shares), _numbered, list(enumerate(map(_placed, work))))
        found = [rows for _, rows in sorted(track(done, "attack", len(work), "pictures"), key=itemgetter(0))]
    with staged(out) as made:
        report = _written(plan, targets, goals, subject, work, found, extras, made)
        write_text(draw(report), made / CURVES)
        kept = {path.relative_to(made) for path in made.rglob("*") if path.is_file()}
    for folder, suffix in ((DETECTIONS, ".json"), (GALLERY, ".png")):  # of an earlier run here
        for path in sorted((out / folder).glob(f"*{suffix}")):
            if path.relative_to(out) not in kept:
                path.unlink()
    return report


def _placed(unit: Unit) -> Unit:
    """The unit for a worker, which may stand in another folder."""
    source = unit.transfer and replace(unit.transfer, file=unit.transfer.file.absolute())
    return replace(
        unit,
        target=replace(unit.target, file=unit.target.file.absolute()),
        picture=replace(unit.picture, path=unit.picture.path.absolute()),
        folder=unit.folder.absolute(),
        transfer=source,
    )


def _written(
    plan: AttackPlan,
    targets: Sequence[Target],
    goals: Sequence[str],
    subject: Subject,
    work: Sequence[Unit],
    found: Sequence[dict[str, Any]],
    extras: Extras,
    made: Path,
) -> dict[str, Any]:
    """Write all that was found into a folder, and return the report."""
    by_name: dict[str, Any] = {}
    for target in targets:
        bound = opened(target.file).bound
        about = {
            "family": opened(target.file).net.spec.family,
            "lipschitz_constant": None if bound is None else bound.constant,
            "score_threshold": target.score,
            "sha256": sha256_file(target.file),
        }
        reports = {}
        for goal in goals:
            own = [
                (unit, rows)
                for unit, rows in zip(work, found, strict=True)
                if unit.target == target and unit.goal == goal
            ]
            reports[goal] = goal_report(plan, target, subject, [rows for _, rows in own])
            _write_detections(plan, target, goal, [rows for _, rows in own], made)
            _write_gallery(f"{target.name}.{goal}", [unit for unit, _ in own], made)
        by_name[target.name] = {**about, "goals": reports}
    write_text(table(work, found), made / PICTURES)
    frames = sorted({(picture.width_px, picture.height_px) for picture in subject.pictures})
    report: dict[str, Any] = {
        "format": FORMAT,
        "norm": NAMES[plan.norm],
        "pixels": "[0, 1], floats that no file has rounded",
        "picture_px": [list(frame) for frame in frames],
        "split": subject.split,
        "pictures": len(subject.pictures),
        "truth_sha256": subject.sha256,
        "settings": {**asdict(plan), "eps": list(plan.eps)},
        "transfer": extras.transfer.name if extras.transfer else None,
        "models": by_name,
    }
    write_json(report, made / DOCUMENT)
    return report


def _numbered(work: tuple[int, Unit]) -> tuple[int, dict[str, Any]]:
    return work[0], run(work[1])


def _write_detections(
    plan: AttackPlan, target: Target, goal: str, found: Sequence[Mapping[str, Any]], out: Path
) -> None:
    """COCO results of each size, for `lard score`."""
    for place, eps in enumerate((0.0, *plan.eps)):
        rows = [item for one in found for item in one["sizes"][place]["found"]]
        rows.sort(key=lambda row: (row["image_id"], -row["score"], row["bbox"]))
        write_json(rows, out / DETECTIONS / f"{target.name}.{goal}.{plan.norm}-{eps:.12g}.json")


def _write_gallery(name: str, own: Sequence[Unit], out: Path) -> None:
    panels = [Image.open(unit.folder / "panel.png") for unit in own if unit.shows]
    if panels:
        with atomic_path(out / GALLERY / f"{name}.png") as temporary:
            stacked(panels).save(temporary, "PNG")


def expected_cost(plan: AttackPlan, targets: Sequence[Target], goals: Sequence[str], subject: Subject) -> str:
    """How long all will take at most, from one pass of each detector here."""
    torch.set_num_threads(1)
    passes = len(plan.eps) * plan.restarts * (plan.steps + 1) + plan.smallest_steps + BISECTIONS
    seconds = []
    for target in targets:
        scene, _, goal, clean = staged_scene(target, subject.pictures[0], plan, goals[0])
        felt(scene, goal, clean.change, plan.norm)  # the first pass is slower than those after it
        start = time.monotonic()
        felt(scene, goal, clean.change, plan.norm)
        seconds.append(time.monotonic() - start)
    attacks = len(goals) * len(subject.pictures)
    minutes = sum(seconds) * attacks * passes / 60
    each = ", ".join(f"{one.name} {s:.1f} s" for one, s in zip(targets, seconds, strict=True))
    return (
        f"{len(targets)} models x {len(goals)} goals x {len(subject.pictures)} pictures, at most {passes}"
        f" passes each ({each} a pass): at most {minutes:.0f} minutes of one core, without checks"
    )


def _digest(told: Any) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]
