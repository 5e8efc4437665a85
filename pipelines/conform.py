"""Stage conform@PROTOCOL: statements with a chance of failure -> reports/robustness."""

from lard.detect.config import Params, read_params
from lard.errors import DataError, SpecError
from lard.files import staged
from lard.report.conform import write_statement
from lard.robust.conform import Claim
from lard.robust.settings import ConformSettings
from lard.robust.statement import Statement, read_side, state
from lard.score.truth import coco_paths, holds_images
from pipelines.benchmark import VALIDATION, datasets, one_protocol, results_file
from pipelines.robustness import folder_of, operating_point, settings, write_absent
from pipelines.stage import run


def main(protocol: str) -> None:
    """Calibrate every model of the benchmark on validation airports, and check it on the test airports."""
    params, wanted = read_params("params.yaml"), settings().conform
    if params.benchmark is None:
        raise SpecError("params.yaml: benchmark is missing; see the shipped params.yaml")
    absent: dict[str, str] = {}
    out = folder_of(protocol, "conform")
    with staged(out) as made:
        for model in params.benchmark.models:
            found = statement(params, wanted, protocol, model)
            if isinstance(found, str):
                absent[model] = found
                continue
            write_statement(found, made / model)
            coverage = found.report["coverage"]
            print(f"{model}: alpha {found.report['alpha']:.4g}; coverage on test pictures {coverage}")
        write_absent(absent, made)


def statement(params: Params, wanted: ConformSettings, protocol: str, model: str) -> Statement | str:
    """What can be stated of a model, or why nothing can."""
    sources = params.protocol(protocol)
    learnt = coco_paths(datasets(sources.train), VALIDATION)
    if not all(holds_images(path) for path in learnt):
        return "there are no validation pictures to calibrate on"
    point = operating_point(protocol, model)
    if isinstance(point, str):
        return point
    claim = Claim(point.score, wanted.alpha, wanted.unit, wanted.method)
    tested = coco_paths(datasets(sources.test), params.predict.split)
    try:
        calibration = read_side(learnt, results_file(protocol, model, ".val.json"))
        return state(calibration, read_side(tested, results_file(protocol, model)), claim)
    except DataError as error:  # too few airports or runways found: the report says so
        return str(error)


if __name__ == "__main__":
    run(lambda: main(one_protocol()))
