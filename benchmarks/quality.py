"""Time of the quality requirements: many labels without images, and the picture pass beside bare decoding.

python benchmarks/quality.py --frames 22000
python benchmarks/quality.py --images data/ortho/images
"""

import argparse
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2

from lard.airports import load_shipped
from lard.labels import label_frames
from lard.labels.dataset import describe
from lard.odd import load_spec
from lard.quality import Odd, load_dataset, run_checks
from lard.quality.pictures import measure_all
from lard.scenario import sample
from lard.tables import FRAMES, LABELS, write_json, write_table

SPEC = Path("odd_specs/lard_v2.yaml")


def labels_without_images(count: int) -> None:
    """Draw and label frames at airports with five strips, then run every requirement that needs no image."""
    spec, db = load_spec(SPEC), load_shipped()
    frames = sample(spec, db, ["KATL", "CYUL", "EHAM", "KDEN", "KDTW"], count, 1, split={"test": ["EHAM"]})
    labels = label_frames(frames, db, spec)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_table(frames, folder / "frames.parquet", FRAMES)
        write_table(labels, folder / "labels.parquet", LABELS)
        write_json(describe("bench", frames, db, spec, str(SPEC)), folder / "dataset.json")
        wall, processor = time.perf_counter(), time.process_time()
        data = load_dataset(folder)
        data.odd, data.database = Odd.from_spec(spec, SPEC.name), db
        result = run_checks(data)
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
    print(
        f"{len(labels)} labels, {len(result.results)} results: {wall:.1f} s wall, {processor:.1f} s processor"
    )


def picture_pass(folder: Path, workers: int) -> None:
    """The picture pass, and OpenCV decoding the same files, in the same run with the same threads."""
    names = sorted(path.name for path in folder.iterdir() if path.suffix in (".jpg", ".png"))
    cv2.setNumThreads(1)

    def decode(name: str) -> int:
        return cv2.imread(str(folder / name)).size

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(decode, names))  # the files are in the page cache from here on
        start = time.perf_counter()
        list(pool.map(decode, names))
        decoding = time.perf_counter() - start
    start = time.perf_counter()
    measure_all(folder, names, workers, None)
    measuring = time.perf_counter() - start
    print(f"{len(names)} pictures: decode {decoding:.1f} s, all measures {measuring:.1f} s,", end=" ")
    print(f"ratio {measuring / decoding:.2f}")


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--frames", type=int, default=22000, help="frames to draw (about 5 labels each)")
    parser.add_argument("--images", type=Path, help="folder of pictures")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    if options.images:
        picture_pass(options.images, options.workers)
    else:
        labels_without_images(options.frames)


if __name__ == "__main__":
    main()
