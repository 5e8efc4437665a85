"""`lard ...`: each command's module is imported only when the command is used."""

import importlib
import os
import sys

import click

from lard import __version__
from lard.cli.edge import checked
from lard.errors import LardError, fault_line, one_line, told

# polars' allocator keeps what was freed for 10 s, which can be as much as is in use; it reads this once
os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:500,muzzy_decay_ms:0")

# command: (module, what it does); the texts stand here so that --help imports no module
COMMANDS = {
    "init": ("init", "Start a project: airports, ground, domain and stages in a folder."),
    "plan": ("plan", "State hours, storage and memory of a dataset of any size."),
    "airports": ("airports", "List, check, import, export and compare runway databases."),
    "odd": ("odd", "Check, show, preview and compare operational design domains."),
    "scenario": ("scenario", "Sample approaches from an ODD; convert scenario files."),
    "ground": ("ground", "Paint procedural ground imagery around airports."),
    "terrain": ("terrain", "Compare runway altitudes with a terrain model."),
    "tiles": ("tiles", "Fetch, check and describe aerial imagery for ground folders."),
    "render": ("render", "Render the frames of a table from ground imagery."),
    "preview": ("preview", "Render one view of a runway from a few numbers."),
    "sources": ("sources", "Check simulators on this machine; the runways they draw."),
    "footage": ("footage", "Match pictures made elsewhere to poses, as a dataset."),
    "annotated": ("annotated", "Import hand-annotated pictures of real approaches."),
    "import": ("imports", "Read LARD, COCO, YOLO and VOC datasets into dataset folders."),
    "label": ("label", "Label every runway in view of each frame."),
    "partition": ("partition", "Put a dataset's tables into parts by airport, or join them."),
    "inspect": ("inspect", "Draw labels on images: contact sheets and single frames."),
    "explore": ("explore", "Write pages to walk through a dataset: frames, map, detections."),
    "view": ("view", "Show a dataset in 3-D and on a time line, in Rerun."),
    "dqr": ("dqr", "Run the data quality requirements and write the compliance report."),
    "export": ("export", "Write a dataset in COCO, YOLO, LARD and other formats."),
    "pull": ("store", "Fetch a dataset or ground from an object store."),
    "push": ("store", "Send a dataset or ground to an object store."),
    "calibrate": ("calibrate", "Correct runways and camera from a source's own pictures."),
    "train": ("train", "Train a detector."),
    "predict": ("predict", "Detect runways in pictures, videos and datasets."),
    "score": ("score", "Score a COCO results file."),
    "attack": ("attack", "Attack a detector: how small a change of pixels makes it fail."),
    "certify": ("certify", "What no perturbation can hide from a Lipschitz detector."),
    "segment": ("segment", "Masks of runways: predicted, scored, certified, attacked."),
    "conform": ("conform", "Boxes, pictures and scores that hold with a stated chance."),
    "privacy": ("privacy", "What training under differential privacy costs."),
    "explain": ("explain", "Where a detector looks, and what would turn its decision."),
    "assurance": ("assurance", "One page of what was measured besides scores."),
    "monitor": ("monitor", "Alarms outside of the domain; failures of detections predicted."),
    "export-model": ("predict", "Write a trained detector as ONNX or torch.export."),
    "leaderboard": ("leaderboard", "Add results to the leaderboard and build it."),
}

SECTIONS = {
    "Runways, domain and approaches": ("init", "plan", "airports", "odd", "scenario"),
    "Ground and pictures": ("ground", "tiles", "terrain", "render", "preview", "sources"),
    "Pictures of others": ("footage", "annotated", "import", "calibrate"),
    "Datasets": ("label", "partition", "inspect", "explore", "view", "dqr", "export", "pull", "push"),
    "Detectors": ("train", "predict", "score", "leaderboard", "export-model"),
    "Robustness": ("attack", "certify", "segment", "conform"),
    "Assurance": ("explain", "monitor", "privacy", "assurance"),
}
"""The commands by what one wants, as --help shows them."""


class LazyGroup(click.Group):
    """A group that knows its commands by name and loads each on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        name = "import_" if cmd_name == "import" else cmd_name.replace("-", "_")  # import is a keyword
        command = getattr(importlib.import_module(f"lard.cli.{COMMANDS[cmd_name][0]}"), name)
        assert isinstance(command, click.Command)
        return checked(command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, COMMANDS))
        for title, names in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), COMMANDS[name][1]) for name in names])

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except LardError as error:
            click.echo(f"lard: {told(error)}", err=True)
            sys.exit(error.exit_code)
        except click.ClickException as error:
            text = "\n".join(one_line(line) for line in error.message.split("\n"))
            object.__setattr__(error, "message", text)  # declared as final
            raise
        except BrokenPipeError:
            sys.exit(0)  # the reader, `head` say, has had enough
        except OSError as error:
            line = fault_line(error)
            if line is None:
                raise
            click.echo(f"lard: {line}", err=True)
            sys.exit(2)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lard")
def main() -> None:
    """Runway-detection datasets and benchmarks from an operational design domain.

    \b
    Examples:
      lard airports show KATL
      lard scenario sample --odd odd_specs/lard_v2.yaml --airports LFPO --n 30 --seed 1 --out f.parquet
      lard COMMAND --help
    """
