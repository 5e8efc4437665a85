"""Time of the quality requirements: many labels without images, and the picture pass beside bare decoding.

python benchmarks/quality.py --frames 22000
python benchmarks/quality.py --images data/ortho/images
python benchmarks/quality.py --tears data/ortho
"""

import argparse
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from lard.airports import load_shipped
from lard.labels import label_frames
from lard.labels.dataset import describe
from lard.odd import load_spec
from lard.quality import Odd, load_dataset, run_checks
from lard.quality.measures.pictures import measure_all
from lard.scenario import sample
from lard.tables import FRAMES, LABELS, read_table, write_json, write_table

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


def tears(dataset: Path, count: int = 200) -> None:
    """Share of pictures torn at a random row that DQR-I04 names, and of whole ones that it calls torn.

    A torn picture's lower part is that of another frame of the same airport.
    """
    spec, rng = load_spec(SPEC), np.random.default_rng(5)
    frames = read_table(dataset / "frames.parquet", FRAMES)
    rows = rng.permutation(len(frames))[:count]
    airports = frames["airport"].to_numpy()
    torn = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "images").mkdir()
        for table in ("frames.parquet", "labels.parquet", "manifest.parquet", "dataset.json"):
            (folder / table).symlink_to((dataset / table).resolve())
        for frame_id in frames["frame_id"]:
            (folder / f"images/{frame_id}.jpg").symlink_to((dataset / f"images/{frame_id}.jpg").resolve())
        for row in rows:
            others = np.flatnonzero((airports == airports[row]) & (np.arange(len(frames)) != row))
            first, second = (frames["frame_id"][int(k)] for k in (row, rng.choice(others)))
            upper, lower = (cv2.imread(str(dataset / f"images/{name}.jpg")) for name in (first, second))
            cut = int(rng.integers(upper.shape[0] // 10, upper.shape[0] * 9 // 10))
            upper[cut:] = lower[cut:]
            path = folder / f"images/{first}.jpg"
            path.unlink()
            cv2.imwrite(str(path), upper, [cv2.IMWRITE_JPEG_QUALITY, 92])
            torn[first] = cut / upper.shape[0]
        data = load_dataset(folder)
        data.odd, data.database = Odd.from_spec(spec, SPEC.name), load_shipped()
        (result,) = run_checks(data, only=["DQR-I04"]).results
    found = {o.subject for o in result.outcome.offences if "torn" in o.message}
    right = [cut for frame_id, cut in torn.items() if frame_id in found]
    print(
        f"{len(right)} of {len(torn)} torn pictures named ({len(right) / len(torn):.0%}); "
        f"{len(found - set(torn))} of {len(frames) - len(torn)} whole ones called torn"
    )
    for low in (0.1, 0.3, 0.5, 0.7):
        inside = [frame_id for frame_id, cut in torn.items() if low <= cut < low + 0.2]
        share = sum(frame_id in found for frame_id in inside) / max(len(inside), 1)
        print(f"  cut at {low:.0%} to {low + 0.2:.0%} of the height: {share:.0%} of {len(inside)}")


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--frames", type=int, default=22000, help="frames to draw (about 5 labels each)")
    parser.add_argument("--images", type=Path, help="folder of pictures")
    parser.add_argument("--tears", type=Path, help="dataset folder to tear pictures of")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    if options.tears:
        tears(options.tears)
    elif options.images:
        picture_pass(options.images, options.workers)
    else:
        labels_without_images(options.frames)


if __name__ == "__main__":
    main()
