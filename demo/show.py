"""What `make demo` made: verdict, scores and the pages to open, opened where there is a display."""

import os
import sys
import webbrowser
from pathlib import Path

from lard.documents import read_json
from lard.errors import DataError, LardError, told

OUT = Path(__file__).resolve().parent / "out"


def summary(out: Path) -> list[str]:
    """Lines that tell verdict, scores and files of a finished demo; DataError names what is missing."""
    absent = "run `make demo`"
    verdict = read_json(out / "compliance" / "summary.json", error=DataError, absent=absent)["verdict"]
    lines = ["", f"requirements: {verdict}"]
    for path in sorted((out / "results").glob("*.score.json")):
        score = read_json(path, error=DataError, absent=absent)
        name = path.name.removesuffix(".score.json")
        lines.append(f"{name}: AP50 {score['overall']['AP50']:.3f}, AP {score['overall']['AP']:.3f}")
    lines += ["", "open in a browser:"]
    for file, what in (
        ("explorer/index.html", "frames, labels, detections and the map, to walk through"),
        ("compliance/compliance.html", "every requirement with its evidence"),
        ("labels.jpg", "labels drawn on frames"),
    ):
        lines.append(f"  {out / file}  ({what})")
    return [*lines, "", "next: README.md, `make repro` (the whole benchmark), docs/tutorial.md"]


def has_display() -> bool:
    """Whether a browser could show a page here."""
    return sys.platform in ("darwin", "win32") or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))


if __name__ == "__main__":
    try:
        print("\n".join(summary(OUT)))
    except LardError as error:
        print(f"lard: {told(error)}", file=sys.stderr)
        sys.exit(2)
    if has_display():
        webbrowser.open((OUT / "explorer" / "index.html").as_uri())
