"""params.yaml: what passes, what is refused and in which words, and the sizes derived from it.

How sections are read and explained in general is in ``common/test_params.py``.
"""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hostile_params import WRONG, documented, extremes, judge
from packages import give_package, hide_package
from params import REPOSITORY, small_config, small_params, write_params
from soundloom.common.errors import SoundloomError
from soundloom.common.params import flattened, parse_yaml, read_params
from soundloom.config import Config
from soundloom.evaluation.config import WINDOW_SECONDS

FILE = REPOSITORY / "params.yaml"


def test_the_projects_file_is_valid_and_holds_every_key_once() -> None:
    config = Config.load(FILE)
    assert flattened(read_params(FILE)).keys() == flattened(config.model_dump()).keys()


def test_the_bases_file_is_valid_and_leaves_the_test_corpora_alone() -> None:
    base = Config.load(REPOSITORY / "base" / "params.yaml")
    for_tests = ("fretsonfire-", "singularity-", "hyperrogue-", "marsshooter-", "unknown-horizons")
    assert not [name for name in base.dataset.debian.packages if name.startswith(for_tests)]
    assert base.model.base == "none"


def test_a_damaged_base_is_named_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (REPOSITORY / "docs" / "base.md").read_text(encoding="utf-8")
    given = re.findall(r"-S '?([\w.]+)=([^\s']+)", text)
    keys = {key: parse_yaml(value) for key, value in given}
    config = Config.load(FILE).with_changes(keys, "params.yaml")
    monkeypatch.chdir(tmp_path)
    shutil.copytree(REPOSITORY / "models" / "base", "models/base")
    config.check_files()
    file = Path("models/base/network.weights.h5")
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(SoundloomError, match=r"weights\.h5: damaged.*`git checkout models"):
        config.check_files()
    file.unlink()
    with pytest.raises(SoundloomError, match=r"network\.weights\.h5: no such file; `git checkout"):
        config.check_files()


def test_several_devices_ask_for_jax_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    config = small_config({"compute.devices": 2})
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    give_package(monkeypatch, "jax")
    config.check_packages()
    monkeypatch.delenv("KERAS_BACKEND")
    said = r"^compute\.devices is 2; with KERAS_BACKEND=tensorflow it must be 0 or 1"
    with pytest.raises(SoundloomError, match=said):
        config.check_packages()
    small_config({"compute.devices": 1}).check_packages()


def test_packages_that_are_not_installed_are_missed_before_any_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = small_config({"compute.backend": "dask"})
    give_package(monkeypatch, "distributed")
    config.check_packages()
    hide_package(monkeypatch, "distributed")
    missing = r"^compute\.backend is 'dask', which is not installed: .* `make scale` installs it$"
    with pytest.raises(SoundloomError, match=missing):
        config.check_packages()
    small_config().check_packages()
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    hide_package(monkeypatch, "jax")
    with pytest.raises(SoundloomError, match=r"^KERAS_BACKEND is 'jax', which is not installed"):
        small_config().check_packages()


def test_every_key_of_the_projects_file_says_its_range() -> None:
    lines = FILE.read_text(encoding="utf-8").splitlines()
    keys = {key.rpartition(".")[2] for key in flattened(read_params(FILE))}
    of_keys = [line for line in lines if line.strip().partition(":")[0] in keys]
    assert len(of_keys) == len(flattened(read_params(FILE)))
    # The comment of the packages stands on the line of their section.
    assert [line.split()[0] for line in of_keys if "  # " not in line] == ["packages:"]


def test_the_tests_own_file_holds_no_key_that_is_gone() -> None:
    own = flattened(read_params(REPOSITORY / "tests" / "params.yaml"))
    assert own.keys() <= flattened(read_params(FILE)).keys()


def test_derived_sizes() -> None:
    config = small_config(
        {"dataset.clip_seconds": 30.0, "spectrogram.n_mels": 128, "generate.seconds": 60.0}
    )
    assert config.spectrogram.frames_per_second(22_050) == 22_050 / 256
    assert config.window_samples == 32 * 256
    assert config.dataset.clip_samples == 661_500
    assert config.dataset.min_clip_samples == 66_150
    assert config.spectrogram.n_bins == 128
    assert config.spectrogram.model_copy(update={"kind": "stft"}).n_bins == 641
    assert config.split.guard_samples(22_050) == 22_050
    assert config.generate.n_samples_long == 60 * 44_100


@pytest.mark.parametrize("n_samples", [0, 1, 255, 256, 257, 661_500])
def test_frames_that_cover_span_at_least_the_samples(config: Config, n_samples: int) -> None:
    n_frames = config.spectrogram.n_frames_covering(n_samples)
    assert (n_frames - 1) * 256 >= n_samples > (n_frames - 2) * 256


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("train.epoch", 3, r"params\.yaml: train\.epoch is not a known key"),
        ("train.epochs", "ten", r"train\.epochs is 'ten'; it must be a valid integer"),
        ("train.epochs", 0, r"train\.epochs is 0; it must be greater than or equal to 1"),
        ("train.learning_rate", float("nan"), r"train\.learning_rate is nan; .* finite"),
        ("generate.temperature", 2.5, r"temperature is 2\.5; it must be less than or equal to 2"),
        ("dataset.source", "mp3", r"source is 'mp3'; it must be 'builtin', "),
        ("dataset.genre", "../up", r"dataset\.genre is '\.\./up'; it must consist of l"),
        ("dataset.debian.packages", ["-o=x"], r"packages\.0 is '-o=x'; it must be the name of a "),
        ("dataset.debian.packages", [], r"packages is \[\]; "),
        ("dataset.min_clip_seconds", 7.0, r"dataset\.min_clip_seconds is 7\.0; .*clip_seconds"),
        ("split.by", "song", r"split\.by is 'song'; it must be 'artist', 'recording' or 'time'"),
        ("spectrogram.hop_samples", 900, r"hop_samples is 900; it must be at most half of n_fft"),
        ("spectrogram.n_mels", 900, r"n_mels is 900; it must be at most n_fft/2 \+ 1 \(\d+\)"),
        ("spectrogram.n_mels", 600, r"n_mels is 600; .*bands would be empty"),
        ("pairs.window_frames", 300, r"window_frames is 300; a window of 3\.48 s must fit"),
        ("pairs.window_frames", 7, r"window_frames is 7; .*at least four steps"),
        ("model.conditioning", ["style", "style"], r"model\.conditioning is .* at most once"),
        ("model.conditioning", ["mood"], r"model\.conditioning\.0 is 'mood'; it must be 'style'"),
        ("model.latents.n_latents", 449, r"n_latents is 449; .*bins of a frame \(448; see"),
        ("model.backbone.crop_frames", 7, r"crop_frames is 7; it must be 0 .*at least four steps"),
        ("explore.zoom_end_sample", 9000, r"zoom_end_sample is 9000; it must be more than"),
        ("explore.zoom_end_sample", 10**6, r"zoom_end_sample is 1000000; it must lie within"),
        (
            "generate.seconds",
            2.9,
            r"generate\.seconds is 2\.9; it must be greater than or equal to 3",
        ),
        ("generate.prompt_seconds", 7.0, r"prompt_seconds is 7\.0; .*dataset\.clip_seconds"),
        (
            "compute.address",
            "10.0.0.5:8786",
            r"address is '10\.0\.0\.5:8786'; it must be that of a scheduler, like tcp://[^^]*$",
        ),
        ("compute.address", "tcp://a b", r"compute\.address is 'tcp://a b'; it must be that of"),
        ("compute.address", "tcp://ab\n", r"compute\.address is 'tcp://ab\\n'; it must be that of"),
        ("compute.devices", True, r"compute\.devices is True; it must be a valid integer"),
        ("compute.devices", False, r"compute\.devices is False; it must be a valid integer"),
        ("compute.devices", 1.0, r"compute\.devices is 1\.0; it must be a valid integer"),
        ("compute.devices", 3, r"compute\.devices is 3; it must be 0, 1, 2, 4 or 8"),
        ("compute.devices", 2**64, r"compute\.devices is \d+; it must be 0, 1, 2, 4 or 8"),
        (
            "track.experiment",
            "a\nb",
            r"track\.experiment is 'a\\nb'; it must hold no line ends",
        ),
        ("generate.prompt", "a\0", r"prompt is 'a\\x00'; it must hold no null character$"),
    ],
)
def test_wrong_values_are_named(key: str, value: Any, message: str) -> None:
    with pytest.raises(SoundloomError, match=message):
        Config.parse(small_params({key: value}), "params.yaml")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"spectrogram.n_fft": 16384, "dataset.min_clip_seconds": 0.5},
            r"spectrogram\.n_fft is 16384; .*dataset\.min_clip_seconds: 11025 samples",
        ),
        (
            {"generate.prompt_seconds": 0.1, "spectrogram.n_fft": 4096},
            r"generate\.prompt_seconds is 0\.1; 2205 samples .*spectrogram\.n_fft: 4096",
        ),
        (
            {
                "spectrogram.kind": "stft", "spectrogram.n_fft": 4096,
                "model.latents.stack_frames": 8,
            },
            r"model\.latents\.stack_frames is 8; times the 2049 bins .*spectrogram\.n_fft.* 16384",
        ),
        (
            {"dataset.sample_rate_hz": 96_000, "dataset.min_clip_seconds": 5.0},
            r"spectrogram\.n_mels is 224; .*dataset\.sample_rate_hz: 96000",
        ),
        (
            {"dataset.clip_seconds": 2.9, "dataset.min_clip_seconds": 2.0},
            r"dataset\.clip_seconds is 2\.9; .*evaluate\.n_windows",
        ),
        (
            {"dataset.min_clips": 9},
            r"dataset\.builtin\.n_tracks is 5; .*dataset\.min_clips \(9\)",
        ),
        (
            {"dataset.builtin.n_tracks": 2},
            r"dataset\.builtin\.n_tracks is 2; with split\.by: recording it must be at least 3",
        ),
        (
            {"split.by": "time"},
            r"split\.test_fraction is 0\.15; .* 0\.90 s .*1\.00 s \(generate\.prompt_seconds",
        ),
        (
            {"model.turns": 0, "generate.section_seconds": 16.0},
            r"generate\.section_seconds is 16\.0; with model\.turns: 0 it must be 0: sections need",
        ),
        (
            {
                "split.by": "time", "split.guard_seconds": 8.0, "dataset.clip_seconds": 30.0,
            },
            r"split\.guard_seconds is 8\.0; .*leaves 0\.00 s .*at least",
        ),
    ],
)  # fmt: skip
def test_values_that_are_absurd_together_are_named_together(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(SoundloomError, match=message):
        small_config(changes)


@pytest.mark.parametrize("key", documented())
def test_a_key_takes_what_its_comment_says_and_no_more(key: str) -> None:
    """Thousands more: ``bench/hostile_params.py``."""
    for value in (*extremes(key), True, False):  # Python takes these two for 1 and 0
        judge(key, value)
    for value in random.Random(key).sample(WRONG, 3):
        judge(key, value)


def test_the_shortest_continuation_has_a_window_to_be_compared() -> None:
    seconds = WINDOW_SECONDS
    assert small_config({"generate.seconds": seconds}).generate.seconds == seconds
    with pytest.raises(SoundloomError, match=r"generate\.seconds"):
        small_config({"generate.seconds": seconds - 1e-6})


def test_contradictions_between_keys() -> None:
    with pytest.raises(SoundloomError, match=r"genre is 'polka'; .*one of blues, classical"):
        small_config({"dataset.source": "gtzan", "dataset.genre": "polka"})
    with pytest.raises(SoundloomError, match=r"guard_seconds is 0\.01; .*one analysis window"):
        small_config({"split.by": "time", "split.guard_seconds": 0.01})


def test_a_missing_key_and_a_missing_section(params: dict[str, Any]) -> None:
    del params["train"]["epochs"], params["generate"]
    with pytest.raises(SoundloomError, match=r"train\.epochs is missing; generate is missing"):
        Config.parse(params, "params.yaml")


def test_options_are_checked_as_the_file_is(config: Config) -> None:
    assert config.with_changes({"generate.seed": 7}, "options").generate.seed == 7
    with pytest.raises(SoundloomError, match=r"options: generate\.seconds is -1"):
        config.with_changes({"generate.seconds": -1}, "options")


def test_numbers_as_dvc_writes_them_are_numbers(tmp_path: Path) -> None:
    text = FILE.read_text(encoding="utf-8")
    path = tmp_path / "params.yaml"
    path.write_text(text.replace("learning_rate: 0.004 ", "learning_rate: 5e-05 "))
    assert Config.load(path).train.learning_rate == 5e-05


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (("channels: 1\n", "channels: 6\n"), "dataset.channels is 6; it must be less than or eq"),
        (("epochs: 2\n", "epochs: yes\n"), "train.epochs is 'yes'; it must be a valid integer"),
        (
            ("seed: 0\n  threads", "seed: 0\n  seed: 0\n  threads"),
            "not valid YAML: found duplicate",
        ),
    ],
)
def test_a_wrong_value_anywhere_stops_a_stage_that_never_reads_it(
    project: Path, change: tuple[str, str], error: str
) -> None:
    path = write_params(project)
    text = path.read_text(encoding="utf-8")
    assert change[0] in text
    path.write_text(text.replace(*change, 1), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / "src" / "stage.py"), "download"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"soundloom: error: params.yaml: {error}")
    assert done.stderr.count("\n") == 1
    assert [entry.name for entry in project.iterdir()] == ["params.yaml"]
