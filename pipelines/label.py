"""Stage: data/ortho/frames.parquet -> data/ortho/labels.parquet and dataset.json."""

from pathlib import Path

from lard.labels import label_frames
from lard.labels.dataset import describe
from lard.odd import load_spec
from lard.tables import FRAMES, LABELS, read_table, write_json, write_table
from pipelines.stage import params, run, runway_database

FOLDER = Path("data/ortho")


def main() -> None:
    """Label the frames with the runways and the sampled domain."""
    odd = params("sample", "odd")
    spec, db = load_spec(odd), runway_database()
    frames = read_table(FOLDER / "frames.parquet", FRAMES)
    labels = label_frames(frames, db, spec)
    write_table(labels, FOLDER / "labels.parquet", LABELS)
    write_json(describe(FOLDER.name, frames, db, spec, odd), FOLDER / "dataset.json")
    print(f"{len(labels)} labels of {len(frames)} frames in {FOLDER / 'labels.parquet'}")


if __name__ == "__main__":
    run(main)
