"""params.yaml: what passes, what is refused and in which words, and the sizes derived from it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from projects import REPOSITORY
from soundloom.common.errors import SoundloomError
from soundloom.config import Config, load_config, parse_config


def changed(params: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    *sections, last = key.split(".")
    place = params
    for section in sections:
        place = place[section]
    place[last] = value
    return params


def test_the_projects_own_file_is_valid_and_frozen(config: Config) -> None:
    with pytest.raises(ValueError, match="frozen"):
        config.train.epochs = 3  # type: ignore[misc]


def test_every_key_says_its_range(params: dict[str, Any]) -> None:
    lines = (REPOSITORY / "params.yaml").read_text(encoding="utf-8").splitlines()
    without_comment = [
        line
        for line in lines
        if line.strip() and not line.endswith(":") and ("#" not in line or line.endswith("#"))
    ]
    # A list's comment stands on the line of its section.
    assert [line.strip() for line in without_comment] == [
        "packages: [fretsonfire-songs-sectoid, fretsonfire-songs-muldjord]"
    ]


def test_derived_sizes(config: Config) -> None:
    assert config.frames_per_second == 22050 / 256
    assert config.window_samples == 1280 * 256
    assert config.dataset.clip_samples == 661_500
    mel, stft = (
        config.spectrogram.model_copy(update={"kind": kind, "n_mels": 128, "n_fft": 1024})
        for kind in ("mel", "stft")
    )
    assert (mel.n_bins, stft.n_bins) == (128, 513)
    assert config.guard_samples == 22050
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
        ("train.epochs", True, r"train\.epochs is True; it must be a valid integer"),
        ("train.epochs", 0, r"train\.epochs is 0; it must be greater than or equal to 1"),
        ("train.learning_rate", float("nan"), r"train\.learning_rate is nan; .* finite"),
        ("generate.temperature", 2.5, r"temperature is 2\.5; it must be less than or equal to 2"),
        ("dataset.source", "mp3", r"source is 'mp3'; it must be 'builtin', 'folder', 'debian' or"),
        ("dataset.genre", "../up", r"dataset\.genre is '\.\./up'; it must match"),
        ("dataset.debian.packages", ["-o=x"], r"packages\.0 is '-o=x'; it must match"),
        ("dataset.debian.packages", [], r"packages is \[\]; "),
        ("dataset.min_clip_seconds", 31.0, r"dataset\.min_clip_seconds is 31\.0; .*clip_seconds"),
        ("spectrogram.hop_samples", 900, r"hop_samples is 900; it must be at most half of n_fft"),
        ("spectrogram.n_mels", 900, r"n_mels is 900; it must be at most n_fft/2 \+ 1 \(\d+\)"),
        ("spectrogram.n_mels", 600, r"n_mels is 600; .*bands would be empty"),
        ("pairs.window_frames", 2000, r"window_frames is 2000; a window of 23\.22 s must fit"),
        ("model.backbone.crop_frames", 7, r"crop_frames is 7; it must be 0 .*at least four steps"),
        ("explore.zoom_end_sample", 9000, r"zoom_end_sample is 9000; it must be more than"),
        ("explore.zoom_end_sample", 10**6, r"zoom_end_sample is 1000000; it must lie within"),
        ("generate.prompt_seconds", 31.0, r"prompt_seconds is 31\.0; .*dataset\.clip_seconds"),
        ("train", None, r"train is None; it must be"),
    ],
)
def test_wrong_values_are_named(params: dict[str, Any], key: str, value: Any, message: str) -> None:
    with pytest.raises(SoundloomError, match=message):
        parse_config(changed(params, key, value))


def test_contradictions_between_sections(params: dict[str, Any]) -> None:
    changed(params, "dataset.source", "gtzan")
    changed(params, "dataset.genre", "polka")
    with pytest.raises(SoundloomError, match=r"genre is 'polka'; .*one of blues, classical"):
        parse_config(params)
    changed(params, "dataset.genre", "jazz")
    changed(params, "pairs.split_by", "time")
    changed(params, "pairs.guard_seconds", 0.01)
    with pytest.raises(SoundloomError, match=r"guard_seconds is 0\.01; .*one analysis window"):
        parse_config(params)


def test_a_missing_key_and_a_missing_section(params: dict[str, Any]) -> None:
    del params["train"]["epochs"], params["generate"]
    with pytest.raises(SoundloomError, match=r"train\.epochs is missing; generate is missing"):
        parse_config(params)


def test_files_that_are_no_params(tmp_path: Path) -> None:
    with pytest.raises(SoundloomError, match=r"params\.yaml: no such file"):
        load_config(tmp_path / "params.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("train: [", encoding="utf-8")
    with pytest.raises(SoundloomError, match=r"broken\.yaml: not valid YAML"):
        load_config(broken)
    broken.write_text("- a list", encoding="utf-8")
    with pytest.raises(SoundloomError, match=r"must hold the sections dataset, explore"):
        load_config(broken)


def test_options_are_checked_as_the_file_is(config: Config) -> None:
    assert config.with_changes({"generate.seed": 7}, "options").generate.seed == 7
    with pytest.raises(SoundloomError, match=r"options: generate\.seconds is -1"):
        config.with_changes({"generate.seconds": -1}, "options")


def test_a_wrong_value_stops_any_stage_at_once_in_one_line(
    project: Path, params: dict[str, Any]
) -> None:
    text = yaml.safe_dump(changed(params, "generate.channels", 6))
    (project / "params.yaml").write_text(text, encoding="utf-8")
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / "src" / "stage.py"), "download"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert time.monotonic() - began < 5
    assert done.returncode == 1
    assert done.stderr.strip() == (
        "soundloom: error: params.yaml: generate.channels is 6; it must be less than or equal to 2"
    )
    assert [path.name for path in project.iterdir()] == ["params.yaml"]
