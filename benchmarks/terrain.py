"""Speed of rays on terrain: python benchmarks/terrain.py [--size 1024].

CPU milliseconds of one thread for the depths of a whole picture over hills (posts of 20 m to 6 km, of 100 m
to 40 km), beside marching every pixel on its own; and how many depths of the two agree within 1 %.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from render_scene import make_airport
from terrain_land import dem_of, hills

from lard.approach import Approaches, pose_of
from lard.camera import Camera
from lard.ground.terrain.surface import surface_of
from lard.render.renderer import Quality, view_record
from lard.render.summits import build_summits
from lard.render.terrain_march import march, march_parts


def cpu_ms(function: Callable[[], Any], repeats: int = 3) -> float:
    """Least CPU milliseconds of a call, after one warm-up."""
    function()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return 1e3 * min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1024)
    size = parser.parse_args().size
    airport = make_airport(elevation_m=430.0, rise_m=25.0)
    with tempfile.TemporaryDirectory() as folder:
        dem = dem_of(Path(folder) / "hills.tif", hills)
        building = cpu_ms(lambda: surface_of(airport, dem=dem), 1)
        surface = surface_of(airport, dem=dem)
    summits = cpu_ms(lambda: build_summits(surface))
    print(f"surface from the terrain model {building:.0f} ms, its summits {summits:.0f} ms")
    camera = Camera.from_fov(size, size, 60.0)
    every = np.argwhere(np.ones((size, size), np.bool_))
    print(f"{size} x {size}, 60 degrees: view, march ms, every pixel ms, share of sky, share that agrees")
    for name, along, vertical, pitch, roll in (
        ("200 m", 200.0, 3.0, -3.0, 0.0), ("1500 m", 1500.0, 3.0, -3.0, 0.0),
        ("6000 m", 6000.0, 3.0, -3.0, 0.0), ("1500 m, roll 25", 1500.0, 3.0, -3.0, 25.0),
        ("steep, 8 deg", 2000.0, 8.0, -20.0, 0.0),
        ("straight down", 800.0, 45.0, -85.0, 0.0),
    ):  # fmt: skip
        values = (along, 0.0, vertical, 0.0, pitch, roll)
        pose = pose_of(airport.runway("07"), Approaches(*(np.array([value]) for value in values)))
        view = view_record(surface, pose, camera, Quality())
        start = march(view, surface)
        exact = march_parts(view, surface, every, 1).reshape(size, size)
        both = np.isfinite(start) & np.isfinite(exact)
        alike = (np.abs(start[both] / exact[both] - 1) < 0.01).mean()
        print(
            f"{name:>16} {cpu_ms(lambda view=view: march(view, surface)):7.0f} "
            f"{cpu_ms(lambda view=view: march_parts(view, surface, every, 1), 1):7.0f} "
            f"{np.isnan(start).mean():6.2f} {alike:9.5f}"
        )


if __name__ == "__main__":
    main()
