"""Sets of recordings measured alike: the order of the controls, and what small sets leave out."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from recordings import music
from soundloom.band.mix import perform
from soundloom.common.errors import SoundloomError
from soundloom.common.lazy import LazyMapping
from soundloom.evaluation.comparison import COUNTED, STABILITY_HOP_SECONDS, Comparison
from soundloom.evaluation.config import FURTHER_EARS, EvaluateConfig
from soundloom.evaluation.controls import noise_like, prompt_loop, splice
from soundloom.evaluation.features import (
    FeatureSet,
    RecordingFeatures,
    describe,
    extract_features,
    hop_for,
    to_arrays,
    top_tags,
)
from soundloom.evaluation.tagger import TAGS, Tagger

pytestmark = pytest.mark.slow

RATE_HZ = 22_050
SECONDS = 12.0
# A tenth of the stages' default: what is compared here is far apart.
N_WINDOWS = 20
Extract = Callable[[Mapping[str, np.ndarray]], list[RecordingFeatures]]


@pytest.fixture(scope="module")
def songs() -> list[np.ndarray]:
    """Eight songs of the built-in band; the first four are for training."""
    return [perform(0, track, SECONDS, RATE_HZ) for track in range(8)]


@pytest.fixture(scope="module")
def evaluate_config() -> EvaluateConfig:
    return EvaluateConfig(
        n_windows=N_WINDOWS,
        n_resamples=20,
        n_pairs=2,
        ears=list(FURTHER_EARS),
        seed=0,
        threads=1,
    )


@pytest.fixture(scope="module")
def extract(tagger: Tagger) -> Extract:
    return _extract_with(tagger)


@pytest.fixture(scope="module")
def extract_for_one(one_ear: Tagger) -> Extract:
    """Where the further ears are not looked at."""
    return _extract_with(one_ear)


def _extract_with(tagger: Tagger) -> Extract:
    def extracted(recordings: Mapping[str, np.ndarray]) -> list[RecordingFeatures]:
        lengths = [len(samples) / RATE_HZ for samples in recordings.values()]
        hop_seconds = hop_for(lengths, N_WINDOWS)
        return list(
            extract_features(recordings, RATE_HZ, tagger, hop_seconds=hop_seconds, threads=2)
        )

    return extracted


@pytest.fixture(scope="module")
def config_for_one(evaluate_config: EvaluateConfig) -> EvaluateConfig:
    return evaluate_config.model_copy(update={"ears": []})


@pytest.fixture(scope="module")
def held_out(songs: list[np.ndarray], extract: Extract) -> list[RecordingFeatures]:
    return extract({f"test {number}": song for number, song in enumerate(songs[4:])})


@pytest.fixture(scope="module")
def heard(songs: list[np.ndarray], extract: Extract) -> list[RecordingFeatures]:
    """What is for training."""
    return extract({f"train {number}": song for number, song in enumerate(songs[:4])})


@pytest.fixture(scope="module")
def comparison(
    held_out: list[RecordingFeatures],
    heard: list[RecordingFeatures],
    evaluate_config: EvaluateConfig,
) -> Comparison:
    return Comparison(held_out, heard, evaluate_config, RATE_HZ)


@pytest.fixture(scope="module")
def comparison_for_one(
    held_out: list[RecordingFeatures],
    heard: list[RecordingFeatures],
    config_for_one: EvaluateConfig,
) -> Comparison:
    real, training = ([replace(one, further={}) for one in part] for part in (held_out, heard))
    return Comparison(real, training, config_for_one, RATE_HZ)


@pytest.fixture(scope="module")
def controls(
    songs: list[np.ndarray],
    comparison: Comparison,
    comparison_for_one: Comparison,
    extract: Extract,
    extract_for_one: Extract,
) -> dict[str, Any]:
    """By name; splices and loops are heard by the first ear alone."""
    rng = np.random.default_rng(0)
    n_samples = len(songs[0])
    copies = {
        "splice": [
            splice({str(n): song for n, song in enumerate(songs[:4])}, n_samples, RATE_HZ, rng)
            for _ in range(2)
        ],
        "prompt_loop": [
            prompt_loop(song[: 5 * RATE_HZ], n_samples, RATE_HZ) for song in songs[4:6]
        ],
    }
    others = {
        "noise": [noise_like(song, rng) for song in songs[:2]],
        "silence": [np.zeros(n_samples, np.float32)] * 2,
    }

    def measured(
        made: dict[str, list[np.ndarray]], by: Comparison, extract: Extract
    ) -> dict[str, Any]:
        return {
            name: by.measure(extract({str(number): one for number, one in enumerate(recordings)}))
            for name, recordings in made.items()
        }

    return {
        "real": comparison.measure_real(),
        **measured(copies, comparison_for_one, extract_for_one),
        **measured(others, comparison, extract),
    }


@pytest.mark.parametrize("ear", FURTHER_EARS)
def test_the_further_ears_agree(controls: dict[str, Any], ear: str) -> None:
    real, noise, silence = (controls[name]["ears"][ear] for name in ("real", "noise", "silence"))
    for distance in ("fad", "kad", "mad"):
        assert real[distance] < 0.6 * min(noise[distance], silence[distance]), distance
        for numbers in (real, noise):
            _assert_interval(numbers, distance)


@pytest.mark.parametrize("distance", ["fad", "kad", "mad", "tags"])
def test_real_audio_is_nearest_and_noise_far(controls: dict[str, Any], distance: str) -> None:
    order = [controls[name][distance] for name in ("real", "noise")]
    assert 2 * order[0] < order[1]
    assert controls["splice"][distance] < 0.6 * controls["noise"][distance]
    assert controls["real"][distance] < 0.6 * controls["silence"][distance]


def test_a_loop_sounds_real_and_is_caught_by_how_it_repeats(controls: dict[str, Any]) -> None:
    loop, real = controls["prompt_loop"], controls["real"]
    assert loop["fad"] < 0.6 * controls["noise"]["fad"]
    assert loop["stuck_seconds"] > 0.9 * SECONDS > 3 * real["stuck_seconds"]
    assert loop["repetition"] > 0.95 > real["repetition"] + 0.2


def test_other_music_is_further_than_music_of_the_genre(
    held_out: list[RecordingFeatures], config_for_one: EvaluateConfig, extract_for_one: Extract
) -> None:
    genre = extract_for_one({str(seed): music(SECONDS, RATE_HZ, seed) for seed in range(6)})
    comparison = Comparison(genre[:3], genre[3:], config_for_one, RATE_HZ)
    other = comparison.measure(held_out)
    for distance in ("fad", "kad", "tags"):
        assert other[distance] > 3 * comparison.measure_real()[distance]


def test_intervals_hold_their_figure(controls: dict[str, Any]) -> None:
    for numbers in controls.values():
        for name in ("fad", "kad", "mad"):
            _assert_interval(numbers, name)


def _assert_interval(numbers: dict[str, float], name: str) -> None:
    # Where sets have no cluster in common every resample gives the one highest divergence.
    assert numbers[f"{name}_low"] - 1e-9 <= numbers[name] <= numbers[f"{name}_high"] + 1e-9


def test_a_splice_of_training_audio_is_caught_and_real_audio_is_not(
    controls: dict[str, Any],
) -> None:
    copied = controls["splice"]["novelty"]
    assert copied["near_copies"] > 0.4  # the others straddle a joint
    assert copied["correlation_highest"] > 0.97
    assert controls["real"]["novelty"]["near_copies"] < 0.1
    assert controls["noise"]["novelty"]["near_copies"] == 0.0


def test_noise_and_silence_are_further_than_music_by_their_descriptors(
    controls: dict[str, Any],
) -> None:
    for group in ("rhythm", "tonality", "dynamics", "fine"):
        for name in ("noise", "silence"):
            assert controls[name][group]["ratio"] > controls["real"][group]["ratio"], (group, name)
    assert controls["silence"]["longest_silence_seconds"] == pytest.approx(SECONDS, abs=0.1)
    assert controls["real"]["longest_silence_seconds"] < 2.0


def test_a_set_is_as_near_to_itself_as_can_be(
    comparison: Comparison, held_out: list[RecordingFeatures]
) -> None:
    numbers = comparison.measure(held_out)
    assert numbers["fad"] == pytest.approx(0.0, abs=1e-3)
    assert numbers["tags"] == pytest.approx(0.0, abs=1e-3)
    assert numbers["diversity"] == pytest.approx(1.0, abs=1e-3)
    assert numbers["frame_change_ratio"] == pytest.approx(1.0)
    drifts = [recording.whole["level_drift_db"] for recording in held_out]
    assert numbers["level_change_db"] == pytest.approx(np.abs(drifts).mean())


def test_a_continuation_that_falls_apart_is_caught_by_its_ends(
    songs: list[np.ndarray], comparison: Comparison, one_ear: Tagger
) -> None:
    whole = np.concatenate(songs[4:7])[: 31 * RATE_HZ]  # an end is 15 s
    half = len(whole) // 2
    fade = np.geomspace(1.0, 0.1, len(whole)).astype(np.float32)
    noisy = np.concatenate([whole[:half], noise_like(whole[half:], np.random.default_rng(0))])

    def stability(samples: np.ndarray) -> dict[str, float]:
        features = extract_features(
            {"a": samples}, RATE_HZ, one_ear, hop_seconds=3 * STABILITY_HOP_SECONDS, threads=1
        )
        return comparison.stability(features)

    steady, faded, fallen = (stability(samples) for samples in (whole, whole * fade, noisy))
    assert abs(steady["level_drift_db"]) < 4
    assert faded["level_drift_db"] == pytest.approx(steady["level_drift_db"] - 11.7, abs=2)
    assert fallen["fad_ratio"] > 1.5 * steady["fad_ratio"]
    assert fallen["flatness_ratio"] > 2 * steady["flatness_ratio"]
    assert stability(whole[: 20 * RATE_HZ]) == {}


def test_recordings_are_held_a_few_at_a_time(songs: list[np.ndarray], one_ear: Tagger) -> None:
    held: set[str] = set()
    most = 0

    def read(name: str) -> np.ndarray:
        nonlocal most
        samples = songs[int(name)][: 3 * RATE_HZ].copy()
        held.add(name)
        most = max(most, len(held))
        weakref.finalize(samples, held.discard, name)
        return samples

    names = [str(number) for number in range(8)]
    recordings = LazyMapping({name: partial(read, name) for name in names})
    features = extract_features(recordings, RATE_HZ, one_ear, hop_seconds=3.0, threads=1)
    assert [recording.name for recording in features] == names
    assert most <= 4  # of two groups of two, at the change from one to the next


def test_the_nearest_passage_is_found_where_it_was_taken(
    songs: list[np.ndarray], comparison: Comparison, extract_for_one: Extract
) -> None:
    stolen = songs[3][2 * RATE_HZ : 6 * RATE_HZ] * 0.5
    found = comparison.nearest(extract_for_one({"a": stolen}))
    nearest = max(found, key=lambda match: match.correlation)
    assert nearest.training_clip == 3
    assert nearest.training_seconds == pytest.approx(2.0 + nearest.generated_seconds, abs=0.05)
    assert nearest.correlation > 0.97


def test_matches_already_found_are_not_looked_for_again(
    comparison: Comparison, held_out: list[RecordingFeatures], monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = held_out[:2]
    numbers, matches = comparison.measure(sample), comparison.nearest(sample)
    monkeypatch.setattr("soundloom.evaluation.comparison.nearest_passages", None)
    assert comparison.measure(sample, matches) == numbers
    copies = [replace(match, correlation=1.0) for match in matches]
    assert comparison.measure(sample, copies)["novelty"]["near_copies"] == 1.0
    assert "near_copies" not in comparison.measure(sample, [])["novelty"]


def test_every_descriptor_has_its_distance(controls: dict[str, Any]) -> None:
    silence = np.zeros(RATE_HZ, np.float32)
    described = {f"{key}_distance" for key in describe(silence, RATE_HZ)}
    found = {
        f"{group}/{name}"
        for group in COUNTED
        for name in set(controls["noise"][group]) - {"distance", "ratio"}
    }
    assert found == described


def test_a_new_descriptor_is_reported_and_changes_no_other_figure(
    held_out: list[RecordingFeatures], evaluate_config: EvaluateConfig
) -> None:
    def with_new(features: list[RecordingFeatures], first: int) -> list[RecordingFeatures]:
        made = []
        for value, recording in enumerate(features, start=first):
            values = np.full_like(recording.descriptors["dynamics/rms_dbfs"], value)
            new = {"dynamics/warmth": values, "timbre/roughness": values}
            made.append(replace(recording, descriptors={**new, **recording.descriptors}))
        return made

    before = Comparison(held_out, held_out, evaluate_config, RATE_HZ).measure(held_out[:2], [])
    after = Comparison(with_new(held_out, 0), held_out, evaluate_config, RATE_HZ).measure(
        with_new(held_out[:2], 100), []
    )
    assert after["dynamics"].pop("warmth_distance") > 10.0
    assert after.pop("timbre").keys() == {"roughness_distance"}
    assert {"distance", "ratio"} < after["dynamics"].keys()
    assert after == before


def test_a_group_in_which_real_audio_does_not_vary_has_no_ratio(
    held_out: list[RecordingFeatures], evaluate_config: EvaluateConfig
) -> None:
    still = [
        replace(
            recording,
            descriptors={
                key: np.zeros(len(values)) if key.startswith("rhythm/") else values
                for key, values in recording.descriptors.items()
            },
        )
        for recording in held_out
    ]
    numbers = Comparison(still, held_out, evaluate_config, RATE_HZ).measure(held_out, [])
    assert numbers["rhythm"]["distance"] > 0
    assert "ratio" not in numbers["rhythm"]
    assert "ratio" in numbers["dynamics"]


def test_sets_read_back_from_arrays(held_out: list[RecordingFeatures]) -> None:
    features = [replace(held_out[0], name="one"), replace(held_out[1], name="two ü")]
    for before, after in zip(features, FeatureSet(to_arrays(features)), strict=True):
        assert (before.name, before.seconds) == (after.name, after.seconds)
        assert before.whole == after.whole
        assert before.descriptors.keys() == after.descriptors.keys()
        for one, other in (
            (before.embeddings, after.embeddings),
            (before.tags, after.tags),
            *((before.further[ear], after.further[ear]) for ear in FURTHER_EARS),
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


def test_too_small_a_set_leaves_out_what_it_does_not_allow(
    songs: list[np.ndarray], config_for_one: EvaluateConfig, extract_for_one: Extract
) -> None:
    one, other = (extract_for_one({name: song}) for name, song in zip("ab", songs, strict=False))
    numbers = Comparison(one, other, config_for_one, RATE_HZ).measure(other)
    assert not {"fad_low", "mad_low", "rhythm", "diversity"} & set(numbers)
    assert numbers["fad"] > 0
    with pytest.raises(SoundloomError, match=r"at least 3.0 s; got 1 shorter"):
        extract_for_one({"short": songs[0][:RATE_HZ]})


def test_top_tags_are_those_with_the_highest_mean(held_out: list[RecordingFeatures]) -> None:
    tags = top_tags(held_out, 50)
    assert len(set(tags)) == 50
    means = np.concatenate([clip.tags for clip in held_out]).mean(axis=0)
    assert tags[0] == TAGS[int(means.argmax())]
