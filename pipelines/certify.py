"""Stage certify@PROTOCOL: what no perturbation can do to its Lipschitz models -> reports/robustness."""

from functools import partial

from lard.detect.checkpoint import description_of
from lard.detect.config import read_params
from lard.errors import SpecError
from lard.progress import track
from lard.report.certificates import write_certified
from lard.robust.certified import certified
from lard.tables import staged
from lard.workers import default_workers
from pipelines.benchmark import datasets, model_folder, one_protocol
from pipelines.robustness import folder_of, operating_point, settings, unfinished, write_absent
from pipelines.stage import run


def main(protocol: str) -> None:
    """Certify every Lipschitz model of the benchmark; what was read of a picture is kept until the end."""
    params, wanted = read_params("params.yaml"), settings().certify
    if params.benchmark is None:
        raise SpecError("params.yaml: benchmark is missing; see the shipped params.yaml")
    sources = datasets(params.protocol(protocol).test)
    absent: dict[str, str] = {}
    out = folder_of(protocol, "certify")
    with staged(out) as made:
        for model in params.benchmark.models:
            file = model_folder(protocol, model) / "checkpoint.pt"
            if description_of(file).lipschitz is None:
                absent[model] = "it has no Lipschitz constant, so nothing is certified of it"
                continue
            point = operating_point(protocol, model)
            if isinstance(point, str) or point.chosen_on == "scored pictures":
                chosen = "its operating point was chosen on the pictures that would be certified"
                absent[model] = point if isinstance(point, str) else chosen
                continue
            found = certified(
                file,
                sources,
                params.predict.split,
                point,
                wanted.eps,
                params.predict,
                limit=wanted.pictures,
                cells=unfinished(protocol, "certify") / model,
                watch=partial(track, description=f"certify {model}", unit="images"),
                workers=default_workers(),
            )
            write_certified(found, point, made / model)
            shares = {key: row["certified_firing_recall"] for key, row in found.document["by_eps"].items()}
            print(f"{model}: certified firing recall by eps, L2 over the whole picture: {shares}")
        write_absent(absent, made)


if __name__ == "__main__":
    run(lambda: main(one_protocol()))
