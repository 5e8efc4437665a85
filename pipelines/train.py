"""Stage train@MODEL-PROTOCOL: models/<protocol>/<model>/ from the protocol's training sources.

A shipped model is copied there and takes part in the benchmark with what it learnt elsewhere.
"""

from lard.detect.config import read_params
from lard.detect.shipped import adopt
from lard.detect.train import train
from lard.report.training import write_curves
from pipelines.benchmark import datasets, model_and_protocol, model_folder
from pipelines.stage import run


def main(model: str, protocol: str) -> None:
    """Train a model under a protocol with the parameters of params.yaml."""
    params = read_params("params.yaml")
    folder = model_folder(protocol, model)
    if model in params.shipped_models:
        adopt(params.shipped_models[model].shipped, model, folder / "checkpoint.pt")
        return
    work = folder.parent / ".resume" / model
    train(model, params.model(model), params.train, datasets(params.protocol(protocol).train), folder, work)
    write_curves(folder, model)


if __name__ == "__main__":
    run(lambda: main(*model_and_protocol()))
