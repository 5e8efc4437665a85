"""Stage: runway table -> data/ground/<ICAO>/*.tif and manifest.json for every airport of the sample."""

from pathlib import Path

from lard.errors import SpecError
from lard.ground.painted.build import build_grounds
from lard.workers import default_workers
from pipelines.stage import params, run, runway_database
from pipelines.terrain import terrain_model

FOLDER = Path("data/ground")


def main() -> None:
    """Paint the ground of every airport that is not there yet."""
    terrain_model()  # what pictures and labels would refuse is told before hours of painting
    gsd_m, seed = params("ground", "gsd_m"), params("ground", "seed")
    season = params("ground").get("season", "summer")
    if not isinstance(gsd_m, (int, float)) or not isinstance(seed, int) or not isinstance(season, str):
        raise SpecError(
            "params.yaml: ground.gsd_m must be a number of metres, ground.seed an integer and ground.season "
            f"a word; found {gsd_m!r}, {seed!r} and {season!r}"
        )
    db = runway_database()
    airports = [db.airport(icao) for icao in sorted(set(params("sample", "airports")))]
    manifests = build_grounds(airports, FOLDER, seed, float(gsd_m), season, default_workers(), db)
    tiles = sum(len(level["tiles"]) for manifest in manifests for level in manifest["levels"])
    print(f"{len(manifests)} airports, {tiles} tiles in {FOLDER}")


if __name__ == "__main__":
    run(main)
