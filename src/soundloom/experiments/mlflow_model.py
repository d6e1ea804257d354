"""The generator of a variant as a model of MLflow's: weights, code, requirements and signature.

The code is the package as the variant's workspace has it (``soundloom/serving`` says how it
answers), the requirements are those of ``requirements.lock``: nothing is guessed, nothing pickled.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

MODEL_FOLDER = "model"
"""What the files of a model lie in, among a variant's: ``generator``, ``code`` and the lock."""
GENERATOR = "generator"

# What `soundloom/serving` imports, at any depth; what these need in turn is pinned beside them.
REQUIRED = (
    "av", "joblib", "keras", "librosa", "mlflow", "numpy", "pandas", "psutil", "pydantic",
    "ruamel-yaml", "scikit-learn", "scipy", "soundfile", "soxr", "tensorflow", "tensorflow-cpu",
    "threadpoolctl", "tqdm",
)  # fmt: skip
# What a request may change of `generate`, and MLflow's name for its type.
_PARAMS = {"seconds": "double", "temperature": "double", "seed": "long"}


def save_model(
    folder: Path, files: Mapping[Path, Path], generate: Mapping[str, Any], origin: Any
) -> None:
    """Write a model of MLflow's into ``folder``, which is not there yet.

    ``files`` are all of ``MODEL_FOLDER``, by their places in it, ``generate`` is that section of
    the variant's ``params.yaml``, ``origin`` the ``mlflow.models.Model`` that says whose it is.
    """
    from mlflow import pyfunc

    with tempfile.TemporaryDirectory() as name:
        gathered = Path(name)
        for place, file in files.items():
            (gathered / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, gathered / place)
        package, constraints = gathered / "code/soundloom", gathered / "constraints.txt"
        lock = (gathered / "requirements.lock").read_text(encoding="utf-8")
        constraints.write_text("\n".join(pins(lock)) + "\n", encoding="utf-8")
        with warnings.catch_warnings(action="ignore"):  # that there is no example of a prompt
            pyfunc.save_model(
                folder,
                mlflow_model=origin,
                python_model=str(package / "serving" / "model.py"),
                code_paths=[str(package)],
                artifacts={GENERATOR: str(gathered / GENERATOR)},
                # The prompt is the user's own, on the machine that trained.
                model_config={**generate, "prompt": ""},
                signature=_signature(generate),
                pip_requirements=[*pins(lock, REQUIRED), f"-c {constraints}"],
            )
    # Where the files were gathered is nobody's business, and another place every time.
    flavor = origin.flavors["python_function"]
    flavor["model_code_path"] = Path(flavor["model_code_path"]).name
    flavor["artifacts"][GENERATOR]["uri"] = GENERATOR
    origin.save(folder / "MLmodel")
    for compiled in folder.rglob("__pycache__"):
        shutil.rmtree(compiled)


def pins(lock: str, names: Collection[str] | None = None) -> list[str]:
    """``name==version``, with its marker where it has one, of what a lock lists, or of ``names``.

    A package may stand there twice, for two versions of Python, say.
    """
    lines = re.findall(r"^(\S+==.*?) \\$", lock, re.MULTILINE)
    return [line for line in lines if names is None or line.partition("==")[0] in names]


def _signature(generate: Mapping[str, Any]) -> Any:
    """A table of audio files, and what may be asked of their continuations → a table of WAVs."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

    return ModelSignature(
        inputs=Schema([ColSpec("binary", "prompt")]),
        outputs=Schema([ColSpec("binary", "wav")]),
        params=ParamSchema(
            [ParamSpec(name, type_, generate[name]) for name, type_ in _PARAMS.items()]
        ),
    )
