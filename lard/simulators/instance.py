"""One simulator in its thread: it is opened, shows frames, and is replaced when it fails."""

import queue
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lard.errors import SourceError
from lard.render.journal import Picture, image_name, write_picture
from lard.simulators.core import Frame, Simulator, SimulatorFault, Source

ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Result:
    """A finished frame, or what ended an instance (frame_id empty)."""

    frame_id: str = ""
    digest: str = ""
    error: BaseException | None = None


class Instance(threading.Thread):
    """One simulator and the frames it makes, one after the other."""

    def __init__(
        self, number: int, source: Source, tasks: "queue.SimpleQueue[list[dict[str, Any]]]",
        results: "queue.SimpleQueue[Result]", ended: threading.Event, out_dir: Path, jpeg_quality: int,
    ) -> None:  # fmt: skip
        super().__init__(name=f"{source.name}-{number}", daemon=True)
        self.number, self.source, self.tasks, self.results = number, source, tasks, results
        self.ended, self.out_dir, self.jpeg_quality = ended, out_dir, jpeg_quality
        self.simulator: Simulator | None = None
        self.size = (0, 0)

    def run(self) -> None:
        error: BaseException | None = None
        try:
            while not self.ended.is_set():
                for frame in self.tasks.get_nowait():
                    if self.ended.is_set():
                        break
                    path = self.out_dir / image_name(frame["frame_id"])
                    digest = write_picture(self.picture(frame), path, self.jpeg_quality)
                    self.results.put(Result(frame["frame_id"], digest))
        except queue.Empty:
            pass  # all frames are taken
        except BaseException as caught:  # handed to the thread that asked
            error = caught
        finally:
            self.close()
            self.results.put(Result(error=error))

    def picture(self, frame: Frame) -> Picture:
        """The frame's picture; a simulator that fails is replaced and the frame shown again."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                size = (int(frame["width_px"]), int(frame["height_px"]))
                if self.simulator is None or self.size != size:
                    self.close()
                    self.simulator, self.size = self.source.open(self.number, size), size
                    self.simulator.start()
                self.simulator.show(frame)
                return _verified(self.simulator.capture(), size)
            except SimulatorFault as fault:
                self.close()
                if self.ended.is_set():
                    raise
                if attempt == ATTEMPTS:
                    raise SourceError(
                        f"frame {frame['frame_id']}: {self.source.name} failed {ATTEMPTS} times; finished "
                        f"pictures are kept, run again to go on. Last: {fault}"
                    ) from fault
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Stop the simulator, if any."""
        simulator, self.simulator = self.simulator, None
        if simulator is not None:
            simulator.stop()

    def halt(self) -> None:
        """End the thread from outside: what it waits for goes away."""
        if self.is_alive():
            simulator = self.simulator
            if simulator is not None:
                simulator.stop()
            self.join()


def _verified(picture: Picture, size: tuple[int, int]) -> Picture:
    """The picture, or a SimulatorFault when it has another size or shows nothing."""
    if picture.shape != (size[1], size[0], 3):
        raise SimulatorFault(
            f"the picture is {picture.shape[1]} x {picture.shape[0]} px, expected {size[0]} x {size[1]}"
        )
    if int(picture.max()) - int(picture.min()) < 4:
        raise SimulatorFault(f"the picture is blank (all pixels about {int(picture.mean())})")
    return picture
