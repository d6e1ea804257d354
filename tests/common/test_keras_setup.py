"""Keras as the stages start it, each time in a fresh process, and the script that runs a stage."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from params import REPOSITORY
from soundloom.common import keras_setup
from soundloom.common.keras_setup import keras_backend

SOURCE = REPOSITORY / "src"
START = """
import os, sys
from soundloom.common import keras_setup
from soundloom.common.keras_setup import start_keras
assert "keras" not in sys.modules
start_keras(seed=5, threads=3)
import soundloom.models.files
print([name for name in ("jax", "matplotlib", "pandas", "sklearn") if name in sys.modules])
import pandas, sklearn.cluster  # which are not gone for good
keras_setup._quiet_start = None  # what other threads print must not go where that has it go
import keras
first = keras.random.normal((4,)).numpy().tolist()
start_keras(seed=5, threads=3)
assert keras.random.normal((4,)).numpy().tolist() == first
start_keras(seed=6, threads=3)
assert keras.random.normal((4,)).numpy().tolist() != first
print(keras.backend.backend())
print(os.environ["TF_NUM_INTRAOP_THREADS"], os.environ["TF_NUM_INTEROP_THREADS"])
"""


def run(
    *command: str, cwd: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    unset = ("KERAS_BACKEND", "SOUNDLOOM_DEBUG", "TF_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unset)}
    return subprocess.run(
        [sys.executable, *command],
        env={**kept, "PYTHONPATH": str(SOURCE), **variables},
        cwd=cwd, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


# What no one should have to read is Keras's own traceback, which comes once it is imported.
ABSENT = """
import sys
from soundloom.common.errors import SoundloomError
from soundloom.common.keras_setup import start_keras
sys.modules["jax"] = None
try:
    start_keras(seed=5, threads=3)
except SoundloomError as error:
    print(error, "keras" in sys.modules)
"""


@pytest.mark.parametrize(
    ("backend", "said"),
    [
        ("foo", "'foo'; it must be 'tensorflow' or 'jax' (`make scale` installs JAX)"),
        ("torch", "'torch'; it must be 'tensorflow' or 'jax' (`make scale` installs JAX)"),
        ("../up", "'../up'; it must be 'tensorflow' or 'jax' (`make scale` installs JAX)"),
        ("jax", "'jax', which is not installed; it must be 'tensorflow' or 'jax' "
        "(`make scale` installs JAX)"),
    ],
)  # fmt: skip
def test_a_backend_that_cannot_be_had_is_named_before_keras_is_imported(
    backend: str, said: str
) -> None:
    done = run("-c", ABSENT, KERAS_BACKEND=backend)
    assert done.stdout == f"KERAS_BACKEND is {said} False\n"


def test_a_variable_that_is_set_to_nothing_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "")
    assert keras_backend() == "tensorflow"
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert keras_backend() == "jax"


# Another Keras, whose start takes longer than the program wants to wait.
ENDED = """
import os, sys, threading
from soundloom.common.keras_setup import start_keras
threading.Thread(target=start_keras, args=(5, 3), daemon=True).start()
while not os.path.exists("starting"):
    pass
print("soundloom: interrupted", file=sys.stderr)
"""
ENDLESS = """
from pathlib import Path
import threading
Path("starting").touch()
threading.Event().wait()
"""


def test_what_is_said_while_keras_starts_in_another_thread_is_shown(tmp_path: Path) -> None:
    (tmp_path / "keras.py").write_text(ENDLESS, encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), str(SOURCE)])
    done = run("-c", ENDED, cwd=tmp_path, PYTHONPATH=path)
    assert (done.returncode, done.stderr) == (0, "soundloom: interrupted\n")


def test_another_thread_goes_through_all_finders_meanwhile() -> None:
    finders, before = sys.meta_path, list(sys.meta_path)
    try:
        with keras_setup._without(["pandas"]):
            assert len(sys.meta_path) == len(before) + 1
            assert finders == before  # which an import may be half-way through
        assert sys.meta_path == before
    finally:
        sys.meta_path = finders


@pytest.mark.slow
def test_keras_starts_quietly_with_the_threads_and_seed_asked_for() -> None:
    done = run("-c", START)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout == "[]\ntensorflow\n3 3\n"


# Another Keras, that takes what it finds while another thread of the program wants the same.
OTHERS = """
import sys, threading
from soundloom.common.keras_setup import start_keras
thread = threading.Thread(target=start_keras, args=(5, 3))
thread.start()
while "starting" not in sys.modules:
    pass
import pandas
sys.modules["go_on"] = None
thread.join()
"""
TAKING = """
import sys, types
sys.modules["starting"] = types.ModuleType("starting")
while "go_on" not in sys.modules:
    pass
try:
    import sklearn
except ImportError:
    print("none", "pandas" in sys.modules)
utils = types.SimpleNamespace(clear_session=lambda: None, set_random_seed=lambda seed: None)
"""


def test_only_keras_goes_without_what_is_optional_to_it(tmp_path: Path) -> None:
    (tmp_path / "keras.py").write_text(TAKING, encoding="utf-8")
    (tmp_path / "tensorflow.py").write_text(
        "from types import SimpleNamespace\n"
        "config = SimpleNamespace(list_physical_devices=lambda kind: [])\n",
        encoding="utf-8",
    )
    path = os.pathsep.join([str(tmp_path), str(SOURCE)])
    done = run("-c", OTHERS, cwd=tmp_path, PYTHONPATH=path)
    assert (done.returncode, done.stdout) == (0, "none True\n"), done.stderr


def test_an_unknown_stage_is_refused_with_those_there_are() -> None:
    done = run(str(SOURCE / "stage.py"), "trian")
    assert done.returncode == 2
    for stage in ("download", "explore", "spectrogram", "pairs", "train", "generate", "report"):
        assert f"'{stage}'" in done.stderr
    assert "__init__" not in done.stderr


def test_a_stages_error_is_one_line_unless_debugging(tmp_path: Path) -> None:
    done = run(str(SOURCE / "stage.py"), "explore", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("soundloom: error: params.yaml: ")
    assert done.stderr.count("\n") == 1
    done = run(str(SOURCE / "stage.py"), "explore", "--debug", cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
