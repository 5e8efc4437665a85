"""One form for what exported files of any format say of frames and of the runways in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lard.quality.model import Offence

Fields = dict[str, Any]
"""Values by the name of the column, with `bbox`, `polygon`, `keypoints`, `iscrowd` and `mask`."""


@dataclass
class Exported:
    """What one export says, by frame id; objects name their runway unless the format knows no names.

    `holds`: which labels belong in it: those "visible", the "whole" ones, or whole "targets".
    """

    where: str
    kind: str
    frames: dict[str, list[Fields]] = field(default_factory=dict)
    objects: dict[str, list[Fields]] = field(default_factory=dict)
    pictures: dict[str, Path] = field(default_factory=dict)
    pictures_in_tar: dict[str, str] = field(default_factory=dict)  # their hashes
    problems: list[Offence] = field(default_factory=list)
    about: dict[str, Mapping[str, Any]] = field(default_factory=dict)  # what a file says of itself, by set
    unread: set[str] = field(default_factory=set)  # sets whose file cannot be read, "" for all
    named: bool = True
    holds: str = "visible"
    every_frame: bool = True
    tolerance_px: float = 1e-4
    whole_px: str = ""  # "trunc" or "floor" where corners are cut to whole pixels

    def add(self, frame_id: str, fields: Mapping[str, Any], objects: list[Fields] | None = None) -> None:
        """Note a frame and its objects."""
        self.frames.setdefault(frame_id, []).append(dict(fields))
        self.objects.setdefault(frame_id, []).extend(objects or [])

    def fault(self, subject: str, text: str) -> None:
        """Note what cannot be read."""
        self.problems.append(Offence(f"{self.where}:{subject}", None, text))
