"""What each condition costs: time of a picture under it, against a clear day's in the same run.

    python benchmarks/conditions.py [GROUND_FOLDER AIRPORT RUNWAY]

Without arguments a small painted airport of the tests is used; its objects are random blocks, for shadows.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from render_scene import make_airport, make_scene

from lard.airports.files import open_database
from lard.approach import Approaches, pose_of
from lard.camera import Camera
from lard.ground.objects import Objects
from lard.render.condition_sheet import sheet_conditions
from lard.render.conditions import Conditions
from lard.render.lights import lights_of
from lard.render.view import Scene, load_scene, render_view

REPEATS = 5
CAMERA = Camera.from_fov(1024, 1024, 60)


def scene_of_arguments(arguments: list[str]) -> tuple[Scene, str]:
    """The scene to render and its runway."""
    if arguments:
        folder, icao, runway = arguments
        return load_scene(Path(folder) / icao, open_database("shipped").airport(icao)), runway
    airport = make_airport()
    ground, surface = make_scene(Path(tempfile.mkdtemp()) / "XTST", airport)
    rng = np.random.default_rng(0)
    height = np.zeros((1500, 2500), np.uint8)
    for j, i in rng.integers(0, (1480, 2480), (800, 2)):
        height[j : j + 15, i : i + 15] = rng.integers(5, 40)
    objects = Objects(height, 0.5, np.array([-2500.0, 1500.0, 2.0]))
    return Scene(airport, ground, surface, lights_of(airport, surface), objects, objects.pooled()), "07"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scene", nargs="*", help="ground folder, airport and runway; none: a made-up scene")
    arguments = parser.parse_args().scene
    if len(arguments) not in (0, 3):
        parser.error("expected a ground folder, an airport and a runway, such as data/ground LFPO 06")
    scene, ident = scene_of_arguments(arguments)
    runway = scene.airport.runway(ident)
    pose = pose_of(runway, Approaches(np.array([1200.0]), 0.0, 3.0, 0.0, -3.0, 0.0))
    cases = {
        name: Conditions(**{"noise_sigma": 1.0, **more})
        for name, more in sheet_conditions(runway.heading_deg).items()
    }
    times: dict[str, list[float]] = {name: [] for name in cases}
    for conditions in cases.values():
        render_view(scene, pose, CAMERA, conditions)  # compiles and reads the ground
    for _ in range(REPEATS):  # in turn, so that a busy machine slows all alike
        for name, conditions in cases.items():
            start = time.process_time()
            render_view(scene, pose, CAMERA, conditions)
            times[name].append(time.process_time() - start)
    clear = np.median(times["clear day"])
    print("| condition | ms | against a clear day |\n|---|--:|--:|")
    for name, values in times.items():
        print(f"| {name} | {1000 * np.median(values):.0f} | {np.median(values) / clear:.2f} |")


if __name__ == "__main__":
    main()
