"""The few numbers that answer each question of an account first, each with its interval and what it is of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lard.report.assurance_tables import told
from lard.report.page import figures_text

FIRST_METHODS = ("integrated", "occlusion", "hsic", "gradient")
"""Of a map that stands for all, the first there is: what a change of content does, before slopes."""
FIRST_ALARM = "mahalanobis"
CERTIFIED_AT = 2


@dataclass(frozen=True, slots=True)
class Answer:
    """A number in words, what it measures, and what to hold it against."""

    measure: str
    value: str
    beside: str = ""
    section: str = ""  # none: its document's


def explain_answers(document: Mapping[str, Any]) -> list[Answer]:
    """Where a model looks, whether runways fire, and what turns them."""
    found = []
    for model in document["models"].values():
        methods = model["methods"]
        name = next((one for one in FIRST_METHODS if one in methods), next(iter(methods)))
        control = methods.get("random", {})
        found += [
            Answer(f"energy on the runway over its share of the field ({name})", told(methods[name]["lift"]),
                   f"a random map: {told(control.get('lift'))}"),
            Answer(f"pointing game ({name})", told(methods[name]["hit"]),
                   f"a random map: {told(control.get('hit'))}"),
            Answer("share of explained runways that fire", told(model["fires"])),
        ]  # fmt: skip
        for kind, text in (("silence", "silences a runway"), ("appear", "makes a missed runway fire")):
            turned = model["counterfactuals"][kind]
            if turned["runways"]:
                ratio = turned["least_ratio"]
                least = "" if ratio is None else f"; the least {figures_text(ratio)} times its certificate"
                found.append(
                    Answer(f"mean norm of the change that {text}", told(turned["norm"]),
                           f"found for {turned['found']} of {turned['runways']}{least}")
                )  # fmt: skip
    return found


def monitor_answers(document: Mapping[str, Any]) -> list[Answer]:
    """What one alarm sees outside, least and best, and what it stops there and inside."""
    if "inside" not in document or not document.get("outside"):
        return []  # tables stated by another program
    names = list(document["inside"]["alarms"])
    alarm = FIRST_ALARM if FIRST_ALARM in names else names[0]
    groups = {name: row["alarms"][alarm] for name, row in document["outside"].items()}
    inside = document["inside"]["alarms"][alarm]
    worst, best = (pick(groups, key=lambda name: groups[name]["AUROC"]) for pick in (min, max))
    passed = min(groups, key=lambda name: groups[name]["stopped"])
    stopped = max(groups, key=lambda name: groups[name]["stopped"])
    return [
        Answer(f"AUROC of the alarm {alarm}, least: {worst}", _cell(groups[worst], "AUROC"),
               "0.5 sees nothing"),
        Answer(f"AUROC of the alarm {alarm}, best: {best}", _cell(groups[best], "AUROC"),
               f"of {len(groups)} ways out of the domain"),
        Answer(f"false stops of {alarm} inside the domain", _cell(inside, "false_stops"),
               f"wanted: {figures_text(document['false_stop_rate'])}", "refuses"),
        Answer(f"stopped by {alarm} outside, least: {passed}", _cell(groups[passed], "stopped"),
               f"most: {stopped}, {_cell(groups[stopped], 'stopped')}", "refuses"),
    ]  # fmt: skip


def failure_answers(document: Mapping[str, Any]) -> list[Answer]:
    """How well each confidence orders detections, of the smallest set of them that says anything."""
    slices = [(name, row) for name, row in (document.get("test") or {}).items() if "confidences" in row]
    if not slices:
        return []
    name, row = slices[-1]
    return [
        Answer(f"AURC of {key}, {name}", _cell(one, "AURC"),
               f"at best {figures_text(row['least_AURC'])}; {row['wrong']} of {row['detections']} wrong")
        for key, one in row["confidences"].items()
    ]  # fmt: skip


def certificate_answers(document: Mapping[str, Any]) -> list[Answer]:
    """Runways certified to go on firing, at the smallest norms."""
    intervals = document.get("firing_recall_intervals") or {}
    return [
        Answer(f"runways certified to go on firing at eps {eps}",
               _bounded(row["certified_firing_recall"], (intervals.get(eps) or {}).get("interval"), " to "),
               f"clean: {figures_text(document['clean']['firing_recall'])} of {document['runways']} runways")
        for eps, row in list(document["by_eps"].items())[:CERTIFIED_AT]
    ]  # fmt: skip


def attack_answers(document: Mapping[str, Any]) -> list[Answer]:
    """Recall under the largest change that was tried, for each goal."""
    return [
        Answer(f"recall under attack at eps {figures_text(found['curve'][-1]['eps'])}, goal {goal}",
               figures_text(found["curve"][-1]["recall"]), f"{document['pictures']} pictures")
        for model in document["models"].values()
        for goal, found in model["goals"].items()
        if found["curve"]
    ]  # fmt: skip


def conform_answers(document: Mapping[str, Any]) -> list[Answer]:
    """Whether the statement held on the test airports."""
    covered = document["coverage"]
    return [
        Answer("runways found in their grown boxes, mean of airports",
               _bounded(covered["mean_of_airports"], covered.get("interval"), " to "),
               f"stated: {figures_text(1 - document['alpha'])} at a new airport")
    ]  # fmt: skip


def _cell(row: Mapping[str, Any], key: str) -> str:
    return _bounded(row[key], row.get(f"{key}_interval"), " to ")


def _bounded(value: float | None, ends: Sequence[float] | None, between: str) -> str:
    """A number with its interval, where there is one."""
    if value is None:
        return "–"
    text = figures_text(round(value, 4))
    return (
        f"{text} ({figures_text(round(ends[0], 3))}{between}{figures_text(round(ends[1], 3))})"
        if ends
        else text
    )
