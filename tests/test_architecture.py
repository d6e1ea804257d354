"""The folders keep to what they promise: who imports whom, who touches files, who needs Keras."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from imports import closure, imported, modules
from params import REPOSITORY

PACKAGE = Path("src/soundloom")

# What each folder may import of the others, in the order in which data passes through them.
# `config` is the check of all of params.yaml, which imports the sections of all folders.
MAY_IMPORT = {
    "common": [],
    "cache": ["common"],
    "audio": ["common"],
    "corpus": ["common"],
    "band": ["common"],
    "spectral": ["common", "corpus"],
    "figures": ["common", "spectral"],
    "ingest": ["common", "cache", "audio", "corpus", "band"],
    "explore": ["common", "audio"],
    "pairs": ["common", "corpus", "spectral"],
    "models": ["common", "spectral", "pairs"],
    "training": ["common", "spectral", "pairs", "models"],
    "generation": ["common", "audio", "corpus", "spectral", "models"],
    # No model: what is judged is audio, whoever made it.
    "evaluation": ["common", "cache", "audio", "band", "spectral"],
    "reporting": ["common", "corpus", "figures"],
    "experiments": ["common", "corpus", "config"],
    "demo": ["common", "audio", "models", "generation", "figures", "experiments"],
}
# These come last: they may import whatever they need, and nothing imports them.
LAST = {"stages", "commands", "serving"}

CORE = set(MAY_IMPORT) - {"experiments", "demo"}

# Where files are read and written: modules called `files`, folders whose business it is, and these.
FILES = {"ingest", "figures"}
FILES_ELSEWHERE = {
    "common/io.py",
    "audio/containers.py",  # FFmpeg opens what is open already
    "audio/stored.py",  # what would fill the memory lies in a file without name
    "common/environment.py",  # reads the code
    "common/errors.py",  # prints what went wrong
    "common/params.py",
    "common/user_files.py",  # looks whether they are there
    "common/keras_setup.py",  # what TensorFlow prints as it starts is caught in a file
    "pairs/tfrecord.py",
    "evaluation/pretrained.py",  # weights of an installed package
    "reporting/page.py",  # its template, style and script
    "reporting/media.py",  # encodes, into memory
    "training/live.py",  # starts a process
}

OPENING = {
    "open", "read_text", "write_text", "read_bytes", "write_bytes", "mkdir", "touch", "unlink",
    "rmdir", "rmtree", "copytree", "exists", "is_file", "is_dir", "iterdir", "glob", "rglob",
    "savez", "memmap",
}  # fmt: skip


def folder_of(path: Path) -> str:
    """The folder a module is in; of a module beside the folders, its own name."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


MODULES = [path for path in modules() if path != PACKAGE / "__init__.py"]


def test_every_folder_has_its_place() -> None:
    assert {folder_of(path) for path in MODULES} == {*MAY_IMPORT, *LAST, "config"}


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_imports_run_one_way(folder: str) -> None:
    found = {
        f"{path.relative_to(PACKAGE)} imports {name}"
        for path in MODULES
        if folder_of(path) == folder
        for name in imported(REPOSITORY / path, type_checking=True)
        if name.startswith("soundloom.") and name.split(".")[1] not in {folder, *MAY_IMPORT[folder]}
    }
    assert not found


def test_a_section_of_params_yaml_imports_nothing_but_sections() -> None:
    for path in MODULES:
        if path.name == "config.py":
            own = ("soundloom.common.params", "soundloom.common.errors")
            common = "soundloom.common" if folder_of(path) == "config" else own
            for name in imported(REPOSITORY / path):
                if name.startswith("soundloom."):
                    is_section = name.split(".")[2] == "config"
                    assert is_section or name.startswith(common), f"{path} imports {name}"


def core_without_files() -> list[Path]:
    """The modules that turn arrays into arrays, and touch nothing else."""
    return [
        path
        for path in MODULES
        if folder_of(path) in CORE - FILES
        and path.name != "files.py"
        and path.relative_to(PACKAGE).as_posix() not in FILES_ELSEWHERE
    ]


def test_the_core_turns_arrays_into_arrays() -> None:
    found = []
    for path in core_without_files():
        called = {ast.unparse(call.func) for call in calls(path)}
        # Only stages and commands read params.yaml, and tell their user what they did.
        told = {"print", "warn"}
        found += [f"{path} calls {n}" for n in called if n in told or n.endswith("Config.load")]
        found += [f"{path} calls {name}" for name in called if is_opening(name)]
        for_files = {"soundloom.common.io", "soundfile", "shutil", "tempfile"}
        found += [
            f"{path} imports {n}" for n in for_files.intersection(imported(REPOSITORY / path))
        ]
    assert not found


def calls(path: Path) -> list[ast.Call]:
    """Every call in a module."""
    tree = ast.parse((REPOSITORY / path).read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def is_opening(function: str) -> bool:
    """Whether a call of this name looks at files, changes or opens them."""
    return function.rpartition(".")[2] in OPENING and not function.startswith("os.")


def test_the_page_reads_its_own_files_alone() -> None:
    opening = [
        ast.unparse(call)
        for call in calls(PACKAGE / "reporting/page.py")
        if is_opening(ast.unparse(call.func))
    ]
    assert len(opening) == 1
    assert "resources.files('soundloom.reporting')" in opening[0]


def test_tensorflow_is_kept_apart() -> None:
    named = {
        path.relative_to(PACKAGE).as_posix()
        for path in MODULES
        if any(name.partition(".")[0] == "tensorflow" for name in imported(REPOSITORY / path))
    }
    assert named == {"common/tensorflow_only.py", "pairs/tfrecord.py"}


def test_mlflow_is_known_to_experiments_serving_and_its_page_alone() -> None:
    folders = {
        folder_of(path)
        for path in MODULES
        if any(name.partition(".")[0] == "mlflow" for name in imported(REPOSITORY / path))
    }
    assert folders <= {"experiments", "serving", "commands"}


@pytest.mark.parametrize(
    ("stage", "heavy"),
    [
        *((stage, "keras") for stage in ("download", "explore", "split", "spectrogram", "pairs")),
        *((stage, "keras") for stage in ("report", "track")),
        *((stage, "mlflow") for stage in ("download", "train", "generate", "evaluate", "report")),
        *((stage, "matplotlib") for stage in ("download", "split", "pairs", "train")),
        *((stage, "librosa") for stage in ("download", "split", "report", "track")),
    ],
)
def test_stages_do_without_what_they_do_not_need(stage: str, heavy: str) -> None:
    importing = {
        path.as_posix()
        for path in closure(f"soundloom.stages.{stage}")
        if path.suffix == ".py"
        and any(name.partition(".")[0] == heavy for name in imported(REPOSITORY / path))
    }
    # Every stage may start Keras where it asks for it; those that do not, never import the module.
    assert not importing - {"src/soundloom/common/keras_setup.py"}


HEAVY = ("scipy.signal", "scipy.stats", "sklearn", "pandas", "numba", "mlflow", "keras")


@pytest.mark.parametrize(
    ("stage", "heavy"),
    [
        *((stage, (*HEAVY, "librosa")) for stage in ("download", "split", "report", "track")),
        *((stage, HEAVY) for stage in ("spectrogram", "pairs", "train", "generate")),
    ],
)
def test_stages_start_without_what_they_may_need_later(stage: str, heavy: tuple[str, ...]) -> None:
    program = (
        f"import sys, soundloom.stages.{stage}; print([m for m in {heavy} if m in sys.modules])"
    )
    command = [sys.executable, "-c", program]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"[]\n"


def test_tests_are_collected_without_the_heavy_libraries(
    heavy_at_collection: dict[str, str],
) -> None:
    assert not heavy_at_collection, "import them inside a test or a fixture"
