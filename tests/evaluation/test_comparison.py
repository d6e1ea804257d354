"""Sets of recordings measured alike: the order of the controls, and what small sets leave out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from recordings import music
from soundloom.band.compose import compose
from soundloom.band.mix import perform
from soundloom.common.errors import SoundloomError
from soundloom.config import Config
from soundloom.evaluation.comparison import Measures
from soundloom.evaluation.config import EvaluateConfig
from soundloom.evaluation.controls import looped, noise_like, splice
from soundloom.evaluation.features import Heard, from_arrays, hop_for, listen, to_arrays, top_tags
from soundloom.evaluation.ground_truth import truth_kept
from soundloom.evaluation.tagger import TAGS, Tagger

RATE_HZ = 22_050
SECONDS = 12.0
# A fifth of what the stages hear: what is told apart here is far apart.
N_WINDOWS = 40
Listen = Callable[[Mapping[str, np.ndarray]], list[Heard]]


@pytest.fixture(scope="module")
def songs() -> list[np.ndarray]:
    """Eight songs of the built-in band; the first four are for training."""
    return [perform(0, track, SECONDS, RATE_HZ) for track in range(8)]


@pytest.fixture(scope="module")
def evaluate_config() -> EvaluateConfig:
    return EvaluateConfig(n_windows=N_WINDOWS, n_resamples=20, n_pairs=2, seed=0, threads=1)


@pytest.fixture(scope="module")
def hear() -> Listen:
    tagger = Tagger.load()
    return lambda recordings: listen(recordings, RATE_HZ, tagger, n_windows=N_WINDOWS, threads=2)


@pytest.fixture(scope="module")
def held_out(songs: list[np.ndarray], hear: Listen) -> list[Heard]:
    return hear({f"test {number}": song for number, song in enumerate(songs[4:])})


@pytest.fixture(scope="module")
def measures(
    songs: list[np.ndarray], held_out: list[Heard], evaluate_config: EvaluateConfig, hear: Listen
) -> Measures:
    training = hear({f"train {number}": song for number, song in enumerate(songs[:4])})
    return Measures(held_out, training, evaluate_config, RATE_HZ)


@pytest.fixture(scope="module")
def controls(songs: list[np.ndarray], measures: Measures, hear: Listen) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    n_samples = len(songs[0])
    made = {
        "splice": [splice(songs[:4], n_samples, RATE_HZ, rng) for _ in range(3)],
        "prompt_loop": [looped(song[: 5 * RATE_HZ], n_samples, RATE_HZ) for song in songs[4:7]],
        "noise": [noise_like(song, rng) for song in songs[:3]],
        "silence": [np.zeros(n_samples, np.float32)] * 2,
    }
    found = {
        name: measures.of(hear({str(number): one for number, one in enumerate(recordings)}))
        for name, recordings in made.items()
    }
    return {"real": measures.of_real(), **found}


@pytest.mark.parametrize("distance", ["fad", "kad", "tags"])
def test_real_audio_is_nearest_and_noise_far(controls: dict[str, Any], distance: str) -> None:
    order = [controls[name][distance] for name in ("real", "noise")]
    assert 2 * order[0] < order[1]
    assert controls["splice"][distance] < 0.6 * controls["noise"][distance]
    assert controls["real"][distance] < 0.6 * controls["silence"][distance]


def test_a_loop_sounds_real_and_is_told_by_how_it_repeats(controls: dict[str, Any]) -> None:
    loop, real = controls["prompt_loop"], controls["real"]
    assert loop["fad"] < 0.6 * controls["noise"]["fad"]
    assert loop["stuck_seconds"] > 0.9 * SECONDS > 3 * real["stuck_seconds"]
    assert loop["repetition"] > 0.95 > real["repetition"] + 0.2


def test_other_music_is_further_than_music_of_the_genre(
    held_out: list[Heard], evaluate_config: EvaluateConfig, hear: Listen
) -> None:
    genre = hear({str(seed): music(SECONDS, RATE_HZ, seed) for seed in range(6)})
    measures = Measures(genre[:3], genre[3:], evaluate_config, RATE_HZ)
    other = measures.of(held_out)
    for distance in ("fad", "kad", "tags"):
        assert other[distance] > 3 * measures.of_real()[distance]


def test_intervals_hold_their_figure(controls: dict[str, Any]) -> None:
    for numbers in controls.values():
        for name in ("fad", "kad"):
            assert numbers[f"{name}_low"] <= numbers[name] <= numbers[f"{name}_high"]


def test_a_splice_of_training_audio_is_caught_and_real_audio_is_not(
    controls: dict[str, Any],
) -> None:
    copied = controls["splice"]["novelty"]
    assert copied["near_copies"] > 0.4  # the others straddle a joint
    assert copied["correlation_highest"] > 0.97
    assert controls["real"]["novelty"]["near_copies"] < 0.1
    assert controls["noise"]["novelty"]["near_copies"] == 0.0


def test_descriptors_tell_noise_and_silence_from_music(controls: dict[str, Any]) -> None:
    for group in ("rhythm", "tonality", "dynamics"):
        for name in ("noise", "silence"):
            assert controls[name][group]["ratio"] > controls["real"][group]["ratio"], (group, name)
    assert controls["silence"]["silence_seconds"] == pytest.approx(SECONDS, abs=0.1)
    assert controls["real"]["silence_seconds"] < 2.0


def test_a_set_is_as_near_to_itself_as_can_be(measures: Measures, held_out: list[Heard]) -> None:
    numbers = measures.of(held_out)
    assert numbers["fad"] == pytest.approx(0.0, abs=1e-3)
    assert numbers["tags"] == pytest.approx(0.0, abs=1e-3)
    assert numbers["diversity"] == pytest.approx(1.0, abs=1e-3)


def test_a_continuation_that_falls_apart_is_told_by_its_ends(
    songs: list[np.ndarray], measures: Measures
) -> None:
    tagger = Tagger.load()
    whole = np.concatenate([songs[4], songs[5], songs[6]])
    half = len(whole) // 2
    fade = np.geomspace(1.0, 0.1, len(whole)).astype(np.float32)
    noisy = np.concatenate([whole[:half], noise_like(whole[half:], np.random.default_rng(0))])

    def stability(samples: np.ndarray) -> dict[str, float]:
        heard = listen({"a": samples}, RATE_HZ, tagger, n_windows=1, threads=1, hop_seconds=1.0)
        return measures.stability(heard)

    steady, faded, fallen = (stability(samples) for samples in (whole, whole * fade, noisy))
    assert abs(steady["level_drift_db"]) < 4
    assert faded["level_drift_db"] == pytest.approx(steady["level_drift_db"] - 11.7, abs=2)
    assert fallen["fad_ratio"] > 1.5 * steady["fad_ratio"]
    assert fallen["flatness_ratio"] > 2 * steady["flatness_ratio"]
    assert stability(whole[: 20 * RATE_HZ]) == {}


def test_the_nearest_passage_is_found_where_it_was_taken(
    songs: list[np.ndarray], measures: Measures, hear: Listen
) -> None:
    stolen = songs[3][2 * RATE_HZ : 6 * RATE_HZ] * 0.5
    nearest = max(measures.nearest(hear({"a": stolen})), key=lambda match: match.correlation)
    assert nearest.training_clip == 3
    assert nearest.training_seconds == pytest.approx(2.0 + nearest.generated_seconds, abs=0.05)
    assert nearest.correlation > 0.97


def test_matches_already_found_are_not_looked_for_again(
    measures: Measures, held_out: list[Heard], monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = held_out[:2]
    numbers, matches = measures.of(heard), measures.nearest(heard)
    monkeypatch.setattr("soundloom.evaluation.nearest_passages", None)
    assert measures.of(heard, matches) == numbers
    copies = [replace(match, correlation=1.0) for match in matches]
    assert measures.of(heard, copies)["novelty"]["near_copies"] == 1.0
    assert "near_copies" not in measures.of(heard, [])["novelty"]


def test_the_truth_of_songs_is_kept_by_themselves_and_not_by_others(
    songs: list[np.ndarray],
) -> None:
    truths = {str(track): compose(0, track, SECONDS).truth() for track in range(4)}
    played = {track: songs[int(track)] for track in truths}
    own = truth_kept({**played, "of unknown truth": songs[0]}, truths, RATE_HZ)
    assert own["tempo"] == 1.0
    assert own["key"] >= own["key_exact"] >= 0.5
    wrong = {
        name: {"tempo_bpm": truth["tempo_bpm"] * 1.2, "key": "F# minor"}
        for name, truth in truths.items()
    }
    assert truth_kept(played, wrong, RATE_HZ)["tempo"] == 0.0
    rng = np.random.default_rng(0)
    noise = {name: rng.normal(0, 0.1, len(song)) for name, song in played.items()}
    assert truth_kept(noise, truths, RATE_HZ)["key"] < own["key"]


def test_sets_read_back_from_arrays(held_out: list[Heard]) -> None:
    heard = [replace(held_out[0], name="one"), replace(held_out[1], name="two ü")]
    for before, after in zip(heard, from_arrays(to_arrays(heard)), strict=True):
        assert (before.name, before.seconds) == (after.name, after.seconds)
        assert before.whole == after.whole
        assert before.descriptors.keys() == after.descriptors.keys()
        for one, other in (
            (before.embeddings, after.embeddings),
            (before.tags, after.tags),
            (before.log_mel, after.log_mel),
            *((before.descriptors[key], after.descriptors[key]) for key in before.descriptors),
        ):
            assert np.array_equal(one, other)


@pytest.mark.parametrize("durations", [[30.0] * 8, [5.0, 60.0], [10.0], [3.0] * 300])
def test_the_hop_gives_as_many_windows_as_asked_for(durations: list[float]) -> None:
    hop_seconds = hop_for(durations, 200)
    found = sum(1 + int((seconds - 3.0) / hop_seconds) for seconds in durations)
    assert found >= min(200, sum(max(d - 3.0, 0.0) for d in durations) / 0.1)
    assert 0.1 <= hop_seconds <= 3.0


def test_too_small_a_set_leaves_out_what_it_cannot_tell(
    songs: list[np.ndarray], evaluate_config: EvaluateConfig, hear: Listen
) -> None:
    one, other = hear({"a": songs[0]}), hear({"b": songs[1]})
    numbers = Measures(one, other, evaluate_config, RATE_HZ).of(other)
    assert not {"fad_low", "rhythm", "diversity"} & set(numbers)
    assert numbers["fad"] > 0
    with pytest.raises(SoundloomError, match=r"at least 3.0 s; got 1 shorter"):
        hear({"short": songs[0][:RATE_HZ]})


def test_top_tags_are_those_with_the_highest_mean(held_out: list[Heard]) -> None:
    tags = top_tags(held_out, 50)
    assert len(set(tags)) == 50
    means = np.concatenate([clip.tags for clip in held_out]).mean(axis=0)
    assert tags[0] == TAGS[int(means.argmax())]


def test_config_is_the_projects(config: Config) -> None:
    assert config.evaluate.n_windows >= 200  # fewer, and FAD means little
