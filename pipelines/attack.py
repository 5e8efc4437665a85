"""Stage attack@PROTOCOL: how its models fall with the size of a change of pixels -> reports/robustness."""

import os
import shutil
from typing import Any

from lard.detect.config import Params, read_params
from lard.errors import SpecError
from lard.files import staged
from lard.report.attack_plots import attack_curves_svg
from lard.robust.campaign import Extras, campaign, expected_cost
from lard.robust.tally import subject_of
from lard.robust.unit import AttackPlan, Target
from pipelines.benchmark import datasets, model_folder, one_protocol
from pipelines.robustness import folder_of, operating_point, settings, unfinished, write_absent
from pipelines.stage import run

GOALS = ("vanish",)


def main(protocol: str) -> None:
    """Attack every model of the benchmark on the same pictures; what is done is kept until the end."""
    params, wanted = read_params("params.yaml"), settings().attack
    absent, targets = targets_of(params, protocol)
    eps = tuple(sorted(set(wanted.eps)))
    plan = AttackPlan(
        "l2", eps, wanted.steps, wanted.restarts, wanted.smallest_steps, wanted.queries, wanted.seed
    )
    out, journal = folder_of(protocol, "attack"), unfinished(protocol, "attack")
    with staged(out) as made:
        write_absent(absent, made)
        if targets:
            sources = datasets(params.protocol(protocol).test)
            subject = subject_of(sources, params.predict.split, wanted.pictures)
            print(f"attack: {expected_cost(plan, targets, GOALS, subject)}")
            report = campaign(
                plan,
                targets,
                GOALS,
                subject,
                made,
                Extras(wanted.checked, wanted.shown),
                min(8, os.cpu_count() or 1),
                draw=attack_curves_svg,
                journal=journal,
            )
            tell(report)
    shutil.rmtree(journal, ignore_errors=True)  # changes of pixels are large


def targets_of(params: Params, protocol: str) -> tuple[dict[str, str], list[Target]]:
    """The models that have an operating point, and why others have none."""
    if params.benchmark is None:
        raise SpecError("params.yaml: benchmark is missing; see the shipped params.yaml")
    absent: dict[str, str] = {}
    targets = []
    for model in params.benchmark.models:
        point = operating_point(protocol, model)
        if isinstance(point, str):
            absent[model] = point
        else:
            targets.append(Target(model, model_folder(protocol, model) / "checkpoint.pt", point.score))
    return absent, targets


def tell(report: dict[str, Any]) -> None:
    """Recall of each model at each size, and what the checks warn of."""
    for name, model in report["models"].items():
        for goal, found in model["goals"].items():
            recalls = {f"{row['eps']:g}": row["recall"] for row in found["curve"]}
            print(f"{name}, {goal}: recall by eps, {report['norm']}: {recalls}")
            for line in found["warnings"]:
                print(f"{name}, {goal}: {line}")


if __name__ == "__main__":
    run(lambda: main(one_protocol()))
