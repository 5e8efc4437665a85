"""Stage of a project: photographs or a tile server (params.yaml `ground`) -> data/ground/<ICAO>."""

from pathlib import Path

from lard.project.imagery import make_grounds, parse_imagery
from pipelines.stage import PARAMS, params, run, runway_database
from pipelines.terrain import terrain_model

FOLDER = Path("data/ground")


def main() -> None:
    """Make the ground of every airport that is not there yet."""
    terrain_model()  # what pictures and labels would refuse is told before hours of downloads
    imagery = parse_imagery(params("ground"), str(PARAMS))
    db = runway_database()
    airports = [db.airport(icao) for icao in sorted(set(params("sample", "airports")))]
    make_grounds(airports, imagery, FOLDER, db)
    print(f"{len(airports)} airports from {imagery.source} in {FOLDER}")


if __name__ == "__main__":
    run(main)
