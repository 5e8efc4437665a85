"""What a worker does: renders a few frames of one airport and writes their pictures."""

import io
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl
from PIL import Image

from lard.airports.model import Airport
from lard.camera import Poses, camera_of_row
from lard.errors import DataError, LardError, SourceError
from lard.ground.terrain.dem import load_dem
from lard.render.conditions import Conditions
from lard.render.place import Ground, Place, Written
from lard.render.renderer import Quality
from lard.render.view import Scene, load_scene, render_view
from lard.tables import sha256_file


@dataclass(frozen=True, slots=True)
class RenderSettings:
    """How pictures are made and stored; part of every frame's key."""

    jpeg_quality: int = 92
    quality: Quality = field(default_factory=Quality)

    def __post_init__(self) -> None:
        if not 1 <= self.jpeg_quality <= 100:
            raise DataError(f"render.jpeg_quality is {self.jpeg_quality}; expected from 1 to 100")
        if not 1 <= self.quality.supersample <= 8:
            raise DataError(f"render.supersample is {self.quality.supersample}; expected from 1 to 8")

    @classmethod
    def of_params(cls, params: dict[str, Any]) -> "RenderSettings":
        """Settings of the `render` section of params.yaml; unknown keys are refused."""
        filters = {name: params[name] for name in Quality.__dataclass_fields__ if name in params}
        unknown = set(params) - set(filters) - {"jpeg_quality"}
        if unknown:
            known = ", ".join(["jpeg_quality", *Quality.__dataclass_fields__])
            raise DataError(f"render.{', render.'.join(sorted(unknown))}: unknown; expected some of {known}")
        return cls(int(params.get("jpeg_quality", 92)), Quality(**filters))


@dataclass(frozen=True, slots=True)
class Task:
    """A few frames of one airport, as sent to a worker; dem is a terrain model's path or empty.

    digest is that of the ground's manifest, by which the frames' keys were made.
    """

    ground: Ground
    digest: str
    airport: Airport
    place: Place
    settings: RenderSettings
    frames: list[dict[str, Any]]
    dem: str = ""
    altitude_datum: str = "msl"
    levelled: tuple[Airport, ...] = ()  # whose runways the terrain is brought to, if not the shipped ones


def single_frames(task: Task) -> list[Task]:
    """The task as one of each of its frames."""
    return [replace(task, frames=[row]) for row in task.frames]


def task_name(task: Task) -> str:
    """What a task is called in messages: the frames it makes."""
    names = [row["frame_id"] for row in task.frames]
    return f"frame {names[0]}" if len(names) == 1 else f"frames {', '.join(names)}"


def render_task(task: Task) -> list[Written]:
    """Render and write the frames of a task; what was written."""
    results = []
    for row in task.frames:
        try:
            jpeg = _jpeg(task, row)
        except LardError as error:
            raise type(error)(f"frame {row['frame_id']}: {error}") from error
        results.append(task.place.write(row["frame_id"], jpeg))
    return results


def _jpeg(task: Task, row: dict[str, Any]) -> bytes:
    """A frame's picture."""
    scene = _scene_of(task, row["earth_model"])
    camera = camera_of_row(row)
    conditions = Conditions.of_frame(row)
    pose = Poses.from_frames(pl.DataFrame([row]))
    image = render_view(scene, pose, camera, conditions, task.settings.quality)
    buffer = io.BytesIO()
    quality = conditions.jpeg_quality or task.settings.jpeg_quality
    Image.fromarray(image).save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


_scene: dict[tuple[str, str, str, str, tuple[Airport, ...]], Scene] = {}
"""The one scene this process holds: tasks come airport by airport."""


def _scene_of(task: Task, earth: str) -> Scene:
    folder = task.ground.folder()
    digest = sha256_file(folder / "manifest.json")
    if digest != task.digest:
        raise SourceError(
            f"{folder}: is another ground here than where the run was started, or has changed since; "
            "finish it and run again"
        )
    key = (str(folder), digest, earth, task.dem, task.levelled)
    if key not in _scene:
        _scene.clear()
        dem = load_dem(task.dem, task.altitude_datum).levelled_by(task.levelled) if task.dem else None
        _scene[key] = load_scene(folder, task.airport, earth, dem)
    return _scene[key]
