"""The stages that a plan is made of, what their workers share, and whose first frames take more."""

from dataclasses import dataclass
from typing import Literal

FRAMES_PER_TASK = 4
"""Pictures that a worker gets at once when rendering and predicting."""
Whole = Literal["airport", "run"]
FINELY, FINELY_OF_AIRPORT = 300, 24
"""Pictures that a check looks at finely: of a run, however many it has, and of each airport at least."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage: what it counts, and whether workers anywhere share that ("" : one process does it all)."""

    name: str
    unit: str
    spread: bool
    command: str
    pictures: bool = True  # its memory is that of pictures at hand, not of a table that grows
    optional: bool = False
    compares: bool = False  # whether it holds the pictures of an airport at once, and what it measured of all
    first_of: Whole = "airport"  # whose first units take more, where any do


STAGES = (
    Stage("ground", "airport", True, "lard ground"),
    Stage("sample", "frame", False, "lard scenario sample", pictures=False),
    Stage("render", "frame", True, "lard render"),
    Stage("label", "frame", False, "lard label", pictures=False),
    Stage("check", "frame", False, "lard dqr run", compares=True, first_of="run"),
    Stage("export", "frame", False, "lard export coco", pictures=False),
    Stage("train", "step", False, "lard train", optional=True),
    Stage("predict", "frame", True, "lard predict --data"),
    Stage("certify", "frame", True, "lard certify"),
)


TABLES_OF = {"check": "check tables"}
"""Stages whose memory has two parts: pictures at hand, and tables measured by runs of this name."""
MEASURED_KIB = 30
"""Of a picture: what a check has measured of it, until all are judged."""
UNITS = {stage.name: stage.unit for stage in STAGES} | dict.fromkeys(TABLES_OF.values(), "frame")
FIRST_OF = {stage.name: stage.first_of for stage in STAGES} | dict.fromkeys(TABLES_OF.values(), "run")
"""Of stages and of the runs that tell of their tables."""


def wholes(first_of: str, airports: float) -> float:
    """How many times as many first units a run at so many airports has as one at a single airport."""
    return airports if first_of == "airport" else max(1.0, airports * FINELY_OF_AIRPORT / FINELY)
