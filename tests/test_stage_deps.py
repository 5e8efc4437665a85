"""The stages that make pictures depend on the code that decides them, and on no other."""

import ast
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parent.parent
FOUNDATIONS = {
    "lard/compiled.py",
    "lard/siblings.py",
    "lard/documents/__init__.py",
    "lard/documents/json.py",
    "lard/documents/model.py",
    "lard/documents/numbers.py",
    "lard/documents/text.py",
    "lard/documents/composed.py",
    "lard/documents/yaml.py",
    "lard/errors.py",
    "lard/files.py",
    "lard/parts.py",
    "lard/progress.py",
    "lard/tables.py",
    "lard/workers/__init__.py",
    "lard/workers/guard.py",
    "lard/workers/named.py",
    "lard/workers/profile.py",
    "lard/workers/scheduler.py",
    "lard/workers/shares.py",
    "lard/workers/slurm.py",
    "lard/workers/tasks.py",
    "pipelines/stage.py",
}
RUNS_ELSEWHERE = {
    "watch": {"lard/detect/deploy.py"},
    "assurance": {"lard/detect/deploy.py"},
}  # only for ONNX files
CONSTANTS_ONLY = {"render": {"lard/odd/laws.py", "lard/odd/spec.py", "lard/odd/yamlfile.py"}}
"""Modules behind those of which a stage reads constants alone."""


def _file(dotted: str) -> Path | None:
    """The file of a module or package of the project, None for other names."""
    path = ROOT / dotted.replace(".", "/")
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)


def _imported(file: Path) -> set[Path]:
    """Files of the project that a file imports, inside functions too; a module stands for its package."""
    found: set[Path | None] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {_file(alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {_file(f"{node.module}.{alias.name}") or _file(node.module) for alias in node.names}
    return {path for path in found if path is not None}


def _reached(stage: str) -> set[str]:
    """Every module that a stage imports, directly or not, as a path in the repository."""
    reached: set[Path] = set()
    waiting = [ROOT / "pipelines" / f"{stage}.py"]
    while waiting:
        file = waiting.pop()
        if file not in reached:
            reached.add(file)
            waiting += _imported(file)
    names = {str(file.relative_to(ROOT)) for file in reached}
    empty = {name for name in names if name.endswith("__init__.py") and len((ROOT / name).read_text()) < 300}
    return names - empty - FOUNDATIONS


@pytest.mark.parametrize(
    "stage", ["ground", "render", "label", "flightgear", "sequences", "watch", "assurance", "explore"]
)
def test_a_stage_depends_on_what_decides_its_pictures(stage: str) -> None:
    stated = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"][stage]["deps"]
    code = [dep for dep in stated if dep.startswith(("lard/", "pipelines/"))]
    reached = _reached(stage) - CONSTANTS_ONLY.get(stage, set()) - RUNS_ELSEWHERE.get(stage, set())
    covered = {dep: {name for name in reached if name == dep or name.startswith(f"{dep}/")} for dep in code}
    left_out = {
        name for name in reached - set().union(*covered.values()) if not name.startswith("pipelines/")
    }
    assert not left_out, f"missing from the deps of {stage}: {sorted(left_out)}"
    read = {dep for dep in code if not dep.endswith(".py") and not any((ROOT / dep).rglob("*.py"))}
    idle = [dep for dep, names in covered.items() if not names and dep not in read]  # weights, templates
    assert not idle, f"deps of {stage} that it never imports: {idle}"


@pytest.mark.parametrize("other", ["zoo", "demo"])
def test_no_stage_reads_what_another_pipeline_makes(other: str) -> None:
    """Else `make repro` would run that pipeline too: hours of training, in the case of the zoo."""
    made = []
    for name, stage in YAML(typ="safe").load((ROOT / other / "dvc.yaml").read_text())["stages"].items():
        for out in stage.get("do", stage).get("outs", []):
            path = (ROOT / other / (next(iter(out)) if isinstance(out, dict) else out)).resolve()
            made.append((name, Path(str(path).split("$")[0])))
    assert made
    for name, stage in YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"].items():
        for dep in stage.get("do", stage).get("deps", []):
            if dep.startswith("$"):  # a name that params.yaml gives
                continue
            read = Path(str((ROOT / dep).resolve()).split("$")[0])
            for maker, out in made:
                apart = not (out.is_relative_to(read) or read.is_relative_to(out))
                assert apart, f"{name} reads {dep}, which {maker} of {other}/ makes"
