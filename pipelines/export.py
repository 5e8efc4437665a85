"""Stage: labelled frames -> data/ortho/coco/{train,val,test}.json and reports/contact_sheet.jpg."""

from pathlib import Path

from lard.export.coco import write_coco
from lard.labels.dataset import read_dataset
from lard.labels.draw import contact_sheet, select_frames
from lard.quality.exports import demand_true
from lard.tables import atomic_path
from pipelines.stage import run

FOLDER = Path("data/ortho")
SHEET = Path("reports/contact_sheet.jpg")
SHEET_FRAMES = 24


def main() -> None:
    """Write the COCO files by split, and a sheet of labelled frames."""
    frames, labels, info = read_dataset(FOLDER)
    counts = write_coco(frames, labels, FOLDER / "coco", info)
    demand_true(FOLDER, frames, labels, FOLDER / "coco")
    sheet = contact_sheet(FOLDER, select_frames(frames, SHEET_FRAMES), labels)
    with atomic_path(SHEET) as temporary:
        sheet.save(temporary, format="JPEG", quality=88)
    print(", ".join(f"{count} {split} frames" for split, count in counts.items()), f"in {FOLDER / 'coco'}")


if __name__ == "__main__":
    run(main)
