"""The whole pipeline, run by real DVC in copies of the project, on tiny data."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from page_server import answered, family, free_port
from projects import Project
from soundloom.experiments.store import RunStore
from tracked import runs


@pytest.fixture
def built(first_build: Project) -> Project:
    """The project after its first `dvc repro`. Tests leave it as they find it, or say so."""
    return first_build


def test_a_second_run_does_nothing(built: Project) -> None:
    assert built.repro() == []
    assert "up to date" in built.run("dvc", "status")


def test_generated_audio_is_as_asked(built: Project) -> None:
    files = sorted((built.folder / "data/generated/samples").iterdir())
    assert [file.name for file in files] == ["sample_00.wav", "sample_01.wav"]
    for file in files:
        info = soundfile.info(file)
        assert (info.samplerate, info.channels, info.subtype) == (44_100, 1, "PCM_16")
        samples, _ = soundfile.read(file)
        assert len(samples) == round(3.5 * 44_100)
        assert 0.001 < np.abs(samples).max() < 0.99
    pictures = built.folder / "data/generated/spectrograms"
    assert {file.name for file in pictures.iterdir()} == {
        f"{kind}_{number}.png" for kind in ("sample", "prompt", "real") for number in ("00", "01")
    }


def test_prompts_are_audio_no_training_touched(built: Project) -> None:
    split = json.loads((built.folder / "data/split.json").read_text())
    part_of = {segment["clip"]: segment["part"] for segment in split}
    entries = json.loads((built.folder / "data/generated/generated.json").read_text())["samples"]
    assert [part_of[entry["clip"]] for entry in entries] == ["test", "test"]


def test_no_output_names_the_machine(built: Project) -> None:
    for folder in ("data", "models", "metrics", "reports"):
        for file in (built.folder / folder).rglob("*"):
            if file.is_file():
                assert str(built.folder).encode() not in file.read_bytes(), file


def test_editing_a_module_runs_exactly_the_stages_made_of_it(built: Project) -> None:
    edited = {
        "src/soundloom/generation/prompts.py": ["generate"],
        "src/soundloom/stages/explore.py": ["explore"],
        "src/soundloom/reporting/page.html.j2": ["report"],
        "src/soundloom/pairs/windows.py": ["pairs", "train"],
        "src/soundloom/evaluation/metrics/rhythm.py": ["reference", "evaluate"],
        "src/soundloom/experiments/variant.py": ["track"],
        "src/soundloom/common/errors.py": built.stages(),
        "src/soundloom/config.py": [],  # the check of all params, which stops stages and no more
    }
    for path in edited:
        with (built.folder / path).open("a", encoding="utf-8") as file:
            file.write("\n")
    status = json.loads(built.run("dvc", "status", "--json"))
    built.run("git", "checkout", "-q", "src")
    changed = {stage: changed_deps(reasons) for stage, reasons in status.items()}
    for path, stages in edited.items():
        found = {
            s for s, deps in changed.items() if any(Path(path).is_relative_to(d) for d in deps)
        }
        assert found == set(stages), path


def changed_deps(reasons: list[Any]) -> set[str]:
    """The dependencies that `dvc status` gives as a stage's reasons to run."""
    return {
        dep
        for reason in reasons
        if isinstance(reason, dict)
        for dep in reason.get("changed deps", {})
    }


def test_the_variant_is_one_mlflow_run(built: Project) -> None:
    store = RunStore(built.folder, "soundloom")
    receipt = json.loads((built.folder / "reports/tracked.json").read_text())
    assert receipt["recorded"] is True
    run_id = store.find(receipt["fingerprint"])
    assert run_id is not None
    built.run("soundloom", "track")
    assert store.find(receipt["fingerprint"]) == run_id

    # Its training was watched live in the same run; nothing else was left behind.
    run = store.client.get_run(run_id)
    assert "mlflow.soundloom.history" in run.data.tags
    assert run_id in [
        found.info.run_id for found in store.client.search_runs([store.experiment_id])
    ]
    assert not store.client.search_runs([store.experiment_id], "attributes.status != 'FINISHED'")
    assert run.data.params["train.epochs"] == "2"
    assert run.data.metrics["train/n_parameters"] > 0
    curve = store.client.get_metric_history(run_id, "epoch/val_loss")
    assert [point.step for point in curve] == [1, 2]
    assert re.fullmatch("[0-9a-f]{40}", run.data.tags["git.commit"])
    top = {entry.path for entry in store.client.list_artifacts(run_id)}
    assert {
        "params.yaml", "dvc.yaml", "dvc.lock", "listen.html", "sample_00.wav", "sample_01.wav",
        "prompts",
    } <= top  # fmt: skip
    assert [model.status for model in store.models(run)] == ["READY"]


CHAMPION = "models:/soundloom@champion"
PROMPT = "data/generated/prompts/prompt_00.wav"
SURROUND = "float 5.1 surround.wav"
# All in one process, of which most is Keras's start.
COMMANDS = """
import sys
from soundloom.commands.main import main
surround, run_id = sys.argv[1:]
any_recording = ["generate", "--prompt", surround, "--prompt-seconds", "1", "--seconds", "3.5"]
any_recording += ["--sample-rate-hz", "32000", "--seed", "5"]
held_out = ["generate", "--prompt", "{prompt}", "--seconds", "3", "--seed", "5"]
main([*any_recording, "--out", "new/alone.wav"])
main([*any_recording, "--joined", "--out", "new/joined.flac"])
main(["promote", run_id])
main([*held_out, "--out", "new/own.wav"])
main([*held_out, "--model", "{champion}", "--out", "new/champion.wav"])
"""


@pytest.fixture(scope="module")
def commanded(first_build: Project, odd_recordings: Path) -> Iterator[tuple[str, Path]]:
    """What the commands printed, and the folder they wrote to."""
    program = COMMANDS.format(prompt=PROMPT, champion=CHAMPION)
    (run,) = runs(first_build)
    surround = odd_recordings / SURROUND
    command = (sys.executable, "-c", program, str(surround), run.info.run_id)
    (first_build.folder / "new").mkdir()
    yield first_build.run(*command), first_build.folder / "new"
    shutil.rmtree(first_build.folder / "new")


def test_the_command_continues_any_recording(commanded: tuple[str, Path]) -> None:
    printed, new = commanded
    assert "new/alone.wav: 3.50 s" in printed
    info = soundfile.info(new / "alone.wav")
    assert (info.frames, info.samplerate, info.channels) == (112_000, 32_000, 1)
    # The second is the same, but for the prompt before it and where the two are blended.
    alone, _ = soundfile.read(new / "alone.wav")
    joined, _ = soundfile.read(new / "joined.flac")
    assert len(joined) / 32_000 == pytest.approx(4.47, abs=0.01)
    np.testing.assert_allclose(joined[-48_000:], alone[-48_000:], atol=2**-15)  # as rounded


def test_the_champion_is_served_and_generates_as_the_run_itself_does(
    built: Project, commanded: tuple[str, Path]
) -> None:
    printed, new = commanded
    (run,) = runs(built)
    assert f"{CHAMPION} is now the model of run {run.info.run_id}" in printed
    own = (new / "own.wav").read_bytes()
    assert (new / "champion.wav").read_bytes() == own

    audio = base64.b64encode((built.folder / PROMPT).read_bytes()).decode()
    with model_served(built, CHAMPION) as ask:
        answer = ask({"seconds": 3.0, "seed": 5}, audio)
        assert base64.b64decode(answer["predictions"][0]["wav"]) == own
        refused = ask({"seconds": -1.0}, audio)
        assert refused["message"].endswith(
            "params: generate.seconds is -1.0; it must be greater than or equal to 3"
        )
        refused = ask({}, base64.b64encode(b"no audio").decode())
        assert "prompt: cannot be read as audio" in refused["message"]


@contextmanager
def model_served(project: Project, address: str) -> Iterator[Callable[..., Any]]:
    """`mlflow models serve`, as a user calls it; yields what asks it by HTTP."""
    port = free_port()
    server = subprocess.Popen(
        [
            *("mlflow", "models", "serve", "--model-uri", address, "--env-manager", "local"),
            *("--host", "127.0.0.1", "--port", str(port)),
        ],
        cwd=project.folder,
        env=project.environment | {"MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )

    def ask(params: dict[str, Any], prompt: str) -> Any:
        document = {"dataframe_records": [{"prompt": prompt}], "params": params}
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/invocations",
            json.dumps(document).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request) as reply:
                return json.loads(reply.read())
        except urllib.error.HTTPError as error:
            return json.loads(error.read())

    try:
        answered(f"http://127.0.0.1:{port}/ping", server, seconds=240)
        yield ask
    finally:
        for member in family(server):
            member.kill()
        server.wait()


def test_what_the_command_refuses(built: Project) -> None:
    command = ("soundloom", "generate", "--prompt", "none.wav", "--out", "new.wav")
    assert (
        built.run(*command, fails=True)
        == "soundloom: error: --prompt is 'none.wav': no such file\n"
    )
    printed = built.run(*command, "--seconds", "-1", fails=True)
    assert printed.startswith("soundloom: error: options: generate.seconds is -1.0; it must be")
    assert not (built.folder / "new.wav").exists()


def test_a_wrong_value_anywhere_stops_the_pipeline_before_any_work(tmp_path: Path) -> None:
    # Of a section that is read long after the first stage.
    project = Project.copy(tmp_path / "project", {"generate.top_p": 7})
    printed = project.run("dvc", "repro", fails=True)
    assert "soundloom: error: params.yaml: generate.top_p is 7; it must be" in printed
    assert "Traceback" not in printed
    made = project.run(
        "git", "status", "--porcelain", "--ignored", "--", "data", "models", "reports"
    )
    assert made == ""
    assert not (project.folder / "dvc.lock").exists()


def test_plots_and_metrics_show(built: Project) -> None:
    built.run("dvc", "plots", "show")
    page = (built.folder / "dvc_plots/index.html").read_text(encoding="utf-8")
    assert "Loss by epoch" in page
    assert page.count("<img") >= 6
    shutil.rmtree(built.folder / "dvc_plots")
    assert "val_loss" in built.run("dvc", "metrics", "show")


def test_dvcs_own_view_of_the_pipeline(built: Project) -> None:
    assert "track" in built.run("dvc", "dag", "--mermaid")
    # The base's own pipeline is of another repository: nobody's training waits for it.
    listed = built.run("dvc", "stage", "list", "--all", "--name-only").split()
    assert set(listed) == set(built.stages())
