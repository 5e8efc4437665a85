"""Stage: data/frames.parquet and data/ground -> data/ortho/{images,frames.parquet,manifest.parquet}."""

from pathlib import Path

from lard.render.driver import RenderSettings, render_frames
from lard.tables import FRAMES, POSE, read_table
from lard.workers import default_workers
from pipelines.stage import params, run, runway_database
from pipelines.terrain import terrain_model

FRAMES_TABLE = Path("data/frames.parquet")
GROUND = Path("data/ground")
FOLDER = Path("data/ortho")


def main() -> None:
    """Render every frame, keeping finished ones; the worker count is the machine's (LARD_WORKERS)."""
    dem = terrain_model()
    settings = RenderSettings.of_params(params("render"))
    frames = read_table(FRAMES_TABLE, FRAMES, POSE)
    manifest = render_frames(
        frames, GROUND, FOLDER, default_workers(), runway_database(), settings=settings, dem=dem
    )
    print(f"{len(manifest)} pictures in {FOLDER / 'images'}")


if __name__ == "__main__":
    run(main)
