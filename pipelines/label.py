"""Stage: data/ortho/frames.parquet -> data/ortho/labels.parquet and dataset.json."""

from pathlib import Path

from lard.labels.dataset import write_labels
from lard.odd import load_spec
from lard.tables import FRAMES, POSE, read_table
from pipelines.stage import params, run, runway_database
from pipelines.terrain_labels import terrain_of_labels

FOLDER = Path("data/ortho")


def main() -> None:
    """Label the frames with the runways and the sampled domain."""
    odd = params("sample", "odd")
    spec, db = load_spec(odd), runway_database()
    frames = read_table(FOLDER / "frames.parquet", FRAMES, POSE)
    land, stated = terrain_of_labels(db, frames["airport"])
    labels, _ = write_labels(FOLDER, frames, db, spec, odd, land, stated)
    print(f"{len(labels)} labels of {len(frames)} frames in {FOLDER / 'labels.parquet'}")


if __name__ == "__main__":
    run(main)
