"""Stage: approaches flown at test airports (params.yaml `sequences`) -> data/sequences, labelled, as COCO."""

import shutil
from pathlib import Path

import polars as pl

from lard.airports import RunwayDatabase
from lard.documents import checked
from lard.errors import SpecError
from lard.export.coco import write_coco
from lard.labels.dataset import write_labels
from lard.odd import load_spec
from lard.quality.exports import demand_true
from lard.render.driver import RenderSettings, render_frames
from lard.scenario.campaign import Campaign, fly_all
from lard.scenario.splits import assign_splits
from lard.score.runs import LEAST_FRAMES, MOST_APART_S
from lard.tables import write_json
from lard.workers import default_workers
from pipelines.gate import TRUE_OF_EACH, pass_gate
from pipelines.stage import PARAMS, params, run, runway_database
from pipelines.terrain import terrain_model
from pipelines.terrain_labels import terrain_of_labels

GROUND = Path("data/ground")
FOLDER = Path("data/sequences")
FLIGHTS = FOLDER / "flights.json"
WHERE = f"{PARAMS}: sequences"


def main() -> None:
    """Fly, render (finished frames are kept), label, judge, export; flights.json tells what is left out."""
    campaign = checked(
        Campaign, params("sequences"), WHERE, error=SpecError, remedy="see docs/approach_scores.md"
    )
    odd, db = str(params("sample", "odd")), runway_database()
    _demand_tested(campaign, db)
    for name, flight in campaign.flights.items():
        if flight.frame_rate_hz * MOST_APART_S < 1:
            raise SpecError(
                f"{WHERE}.flights.{name}.frame_rate_hz: {flight.frame_rate_hz:g} leaves frames more than"
                f" {MOST_APART_S:g} s apart, which are no sequence; give at least {1 / MOST_APART_S:g}"
            )
    spec = load_spec(odd)
    flown = fly_all(spec, db, campaign, LEAST_FRAMES, WHERE)
    _render(flown.frames, db)
    land, stated = terrain_of_labels(db, flown.frames["airport"])
    labels, info = write_labels(FOLDER, flown.frames, db, spec, odd, land, stated)
    shutil.rmtree(FOLDER / "coco", ignore_errors=True)  # of an earlier run, should the gate shut now
    # frames of one flight resemble each other, as they must
    pass_gate(FOLDER, odd, db, tuple(kind for kind in TRUE_OF_EACH if kind != "independence"))
    write_coco(flown.frames, labels, FOLDER / "coco", info)
    demand_true(FOLDER, flown.frames, labels, FOLDER / "coco")
    write_json(list(flown.flights), FLIGHTS)
    for told in flown.flights:
        before, after, between = (told[k] for k in ("left_out_before", "left_out_after", "outside_kept"))
        name = f"{told['flight']} at {told['airport']} {told['runway']}"
        print(
            f"{name}: {told['kept']} of {told['flown']} frames;"
            f" outside the domain {before} before and {after} after are left out, {between} between kept"
        )


def _render(frames: pl.DataFrame, db: RunwayDatabase) -> None:
    """Pictures made as those of the sample are (params.yaml `render`)."""
    settings = RenderSettings.of_params(params("render"))
    render_frames(frames, GROUND, FOLDER, default_workers(), db, settings=settings, dem=terrain_model())


def _demand_tested(campaign: Campaign, db: RunwayDatabase) -> None:
    """SpecError unless the airports are test airports of the sample: there is ground, and no model saw it."""
    sample = params("sample")
    splits = assign_splits(
        db, [str(code) for code in sample["airports"]], sample.get("split"), int(sample["seed"])
    )
    tested = sorted(code for code, split in splits.items() if split == "test")
    for code in campaign.airports:
        if code not in tested:
            raise SpecError(
                f"{WHERE}.airports: {code} is no test airport of sample; name some of {', '.join(tested)}"
            )


if __name__ == "__main__":
    run(main)
