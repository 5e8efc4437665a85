"""The stages that a plan is made of, and what their workers share."""

from dataclasses import dataclass

FRAMES_PER_TASK = 4
"""Pictures that a worker gets at once when rendering and predicting."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage: what it counts, and whether workers anywhere share that ("" : one process does it all)."""

    name: str
    unit: str
    spread: bool
    command: str
    pictures: bool = True  # its memory is that of pictures at hand, not of a table that grows
    optional: bool = False


STAGES = (
    Stage("ground", "airport", True, "lard ground"),
    Stage("sample", "frame", False, "lard scenario sample", pictures=False),
    Stage("render", "frame", True, "lard render"),
    Stage("label", "frame", False, "lard label", pictures=False),
    Stage("check", "frame", False, "lard dqr run"),
    Stage("export", "frame", False, "lard export coco", pictures=False),
    Stage("train", "step", False, "lard train", optional=True),
    Stage("predict", "frame", True, "lard predict --data"),
    Stage("certify", "frame", True, "lard certify"),
)


TABLES_OF = {"check": "check tables"}
"""Stages whose memory has two parts: pictures at hand, and tables measured by runs of this name."""
