"""Draw the frames of the data set from the ODD: params.yaml `sample` -> data/frames.parquet."""

from pathlib import Path
from typing import Any

from lard.errors import SpecError
from lard.odd import load_spec
from lard.scenario import draw
from lard.stages.stage import params, run, runway_database
from lard.tables import FRAMES, write_table

OUT = Path("data/frames.parquet")


def main() -> None:
    """The stage."""
    settings = params("sample")
    odd, airports = _setting(settings, "odd", str), _setting(settings, "airports", list)
    drawn = draw(
        load_spec(odd),
        runway_database(),
        [str(code) for code in airports],
        _setting(settings, "n", int),
        _setting(settings, "seed", int),
        method=settings.get("method", "sobol"),
        split=settings.get("split"),
    )
    write_table(drawn.frames, OUT, FRAMES)
    if drawn.left_out:
        print(f"left out, no runway fits the ODD's runway selection: {', '.join(drawn.left_out)}")
    rates = ", ".join(f"{zone} {rate:.0%}" for zone, rate in drawn.acceptance.items())
    count = drawn.frames["airport"].n_unique()
    print(f"{len(drawn.frames)} frames of {count} airports in {OUT}; points accepted: {rates}")


def _setting(settings: Any, name: str, kind: type) -> Any:
    value = settings.get(name) if isinstance(settings, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        expected = {str: "text", list: "a list", int: "a whole number"}[kind]
        raise SpecError(f"params.yaml: sample.{name}: expected {expected}, found {value!r}")
    return value


if __name__ == "__main__":
    run(main)
