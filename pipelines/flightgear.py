"""Stage: a small second source, FlightGear's pictures of four airports -> data/flightgear.

On where FlightGear is installed; elsewhere the folder holds status.json alone, and one line says so.
"""

import os
import shutil
from pathlib import Path
from typing import Any

from lard.airports.table import write_table_folder
from lard.errors import SourceError, SpecError
from lard.export.coco import write_coco
from lard.labels.dataset import write_labels
from lard.odd import load_spec
from lard.quality.exports import demand_true
from lard.scenario import draw
from lard.simulators.flightgear.install import Installation, demand_scenery, find_installation
from lard.simulators.flightgear.runways import flightgear_runways, pavement_csv
from lard.simulators.flightgear.settings import FlightGearSettings
from lard.simulators.flightgear.source import render_flightgear
from lard.tables import write_json, write_text
from pipelines.gate import pass_gate
from pipelines.stage import params, run

FOLDER = Path("data/flightgear")
_OWN = ("enabled", "airports", "n", "seed", "split")


def main() -> None:
    """Make the dataset, or leave the marker and say in one line why."""
    section = params("flightgear")
    missing = [name for name in ("airports", "n", "seed") if name not in section]
    enabled = section.get("enabled", "auto")
    if missing or enabled not in ("auto", False):
        what = f"{', '.join(missing)} missing" if missing else f"enabled is {enabled!r}"
        raise SpecError(
            f"params.yaml: flightgear: {what}; expected enabled (auto or false), airports, n, seed"
        )
    settings = FlightGearSettings.of_params({k: v for k, v in section.items() if k not in _OWN})
    try:
        if enabled is False:
            raise SourceError("flightgear.enabled is false in params.yaml")
        installation = find_installation()
        demand_scenery(installation, map(str, section["airports"]))
    except SourceError as error:
        _off(str(error).replace("\n", "; "))
    else:
        _make(installation, settings, section)


def simulators(airports: int) -> str:
    """LARD_FLIGHTGEARS, else one per processor and 4 GB of memory (each takes 2.4); at most the airports."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    fitting = min(os.cpu_count() or 1, memory // 4_000_000_000, airports)
    return os.environ.get("LARD_FLIGHTGEARS") or str(max(1, fitting))


def _make(installation: Installation, settings: FlightGearSettings, section: dict[str, Any]) -> None:
    """Sample on FlightGear's own runways, render, label, judge and export."""
    airports, odd = [str(code) for code in section["airports"]], params("sample", "odd")
    db, report = flightgear_runways(installation, airports)
    write_table_folder(db, FOLDER / "runways")
    write_text(pavement_csv(report), FOLDER / "runways" / "pavement.csv")
    spec = load_spec(odd)
    frames = draw(
        spec, db, airports, int(section["n"]), int(section["seed"]), split=section.get("split")
    ).frames
    manifest = render_flightgear(frames, FOLDER, simulators(len(airports)), db, settings)
    labels, info = write_labels(FOLDER, frames, db, spec, odd)
    shutil.rmtree(FOLDER / "coco", ignore_errors=True)  # of an earlier run, should the gate shut now
    pass_gate(FOLDER, odd, db)
    write_coco(frames, labels, FOLDER / "coco", info)
    demand_true(FOLDER, frames, labels, FOLDER / "coco")
    write_json({"available": True, "version": installation.version}, FOLDER / "status.json")
    print(f"{len(manifest)} pictures and {len(labels)} labels in {FOLDER}")


def _off(reason: str) -> None:
    """Leave the marker only, and say why in one line."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    write_json({"available": False}, FOLDER / "status.json")
    print(f"no FlightGear pictures: {reason}. After that: dvc repro --force --single-item flightgear")


if __name__ == "__main__":
    run(main)
