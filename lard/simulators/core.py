"""What a source of pictures has to offer: a simulator that shows a frame and hands back the picture.

Whatever goes wrong with one simulator (it hangs, dies, shows something else) is a SimulatorFault, which
driver.py and instance.py answer with a fresh one; any other error ends the run.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from lard.errors import SourceError
from lard.render.journal import Picture

Frame = Mapping[str, Any]
"""One row of the frames table."""


class SimulatorFault(SourceError):
    """A simulator hung, died or shows something else; a fresh one may do better."""


class Simulator(Protocol):
    """One running simulator, owned by one thread."""

    def start(self) -> None:
        """Start it and wait until it answers."""

    def show(self, frame: Frame) -> None:
        """Set pose, time and weather, and wait until scenery and picture have settled."""

    def capture(self) -> Picture:
        """The picture shown, of the frame's size."""

    def stop(self) -> None:
        """End it and all its processes; harmless when it never ran."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where pictures come from and what their bytes depend on besides the frame."""

    name: str
    version: str
    licence: str
    attribution: str
    settings: Mapping[str, Any]
    open: Callable[[int, tuple[int, int]], Simulator]
    """A simulator for an instance number and a picture size (width, height)."""
