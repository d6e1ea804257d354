"""The tagger against its network written out in NumPy, and against music and noise."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from types import ModuleType

import librosa
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from params import small_config
from recordings import music
from soundloom.band.mix import perform
from soundloom.common.errors import SoundloomError
from soundloom.evaluation.config import FURTHER_EARS
from soundloom.evaluation.metrics.distances import profile_distance, tag_profile
from soundloom.evaluation.tagger import TAGS, Tagger, log_mel_windows
from soundloom.ingest.sources import debian

RATE_HZ = 22_050
Weights = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def pretrained(tagger: Tagger) -> ModuleType:
    """The module with the networks; it imports Keras, which the tagger's fixture has started."""
    from soundloom.evaluation import pretrained

    return pretrained


@pytest.fixture(scope="module")
def weights(pretrained: ModuleType) -> Weights:
    return pretrained.checkpoint_weights()


def noise(seconds: float, std: float = 0.1) -> np.ndarray:
    samples = np.random.default_rng(0).normal(0.0, std, round(seconds * RATE_HZ))
    return samples.clip(-1.0, 1.0).astype(np.float32)


def activations(tags: np.ndarray) -> dict[str, float]:
    return dict(zip(TAGS, tag_profile(tags).tolist(), strict=True))


def best(tags: np.ndarray, count: int) -> set[str]:
    found = activations(tags)
    return set(sorted(found, key=lambda tag: -found[tag])[:count])


class ByHand:
    """musicnn in NumPy, on one window at a time and in float64, from the checkpoint's variables."""

    def __init__(self, weights: Weights):
        self.weights = weights

    def __call__(self, window: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        image = self.normalised(window[..., None], "batch_normalization")[..., 0]
        features = np.concatenate([self.front(image, number) for number in range(5)], axis=1)
        first = self.middle(features, 5)
        second = first + self.middle(first, 6)
        third = second + self.middle(second, 7)
        features = np.concatenate([features, first, second, third], axis=1)
        pooled = np.empty(2 * features.shape[1])
        pooled[0::2], pooled[1::2] = features.max(axis=0), features.mean(axis=0)
        pooled = self.normalised(pooled, "batch_normalization_9")
        hidden = np.maximum(self.dense(pooled, "dense"), 0.0)
        embedding = self.normalised(hidden, "batch_normalization_10")
        return 1.0 / (1.0 + np.exp(-self.dense(embedding, "dense_1"))), embedding

    def front(self, image: np.ndarray, number: int) -> np.ndarray:
        kernel = self.weights["conv2d" + (f"_{number}" if number else "") + "/kernel"]
        n_frames, n_bands, _, _ = kernel.shape
        before = (n_frames - 1) // 2
        image = np.pad(image, ((before, n_frames - 1 - before), (0, 0)))
        patches = sliding_window_view(image, (n_frames, n_bands))  # (T, places, frames, bands)
        answers = np.tensordot(patches, kernel[:, :, 0], 2)
        return self.activated(answers, number).max(axis=1)

    def middle(self, features: np.ndarray, number: int) -> np.ndarray:
        patches = sliding_window_view(np.pad(features, ((3, 3), (0, 0))), 7, axis=0)
        kernel = self.weights[f"conv2d_{number}/kernel"][:, :, 0]
        return self.activated(np.einsum("tfk,kfo->to", patches, kernel, optimize=True), number)

    def activated(self, answers: np.ndarray, number: int) -> np.ndarray:
        bias = self.weights["conv2d" + (f"_{number}" if number else "") + "/bias"]
        return self.normalised(np.maximum(answers + bias, 0.0), f"batch_normalization_{number + 1}")

    def dense(self, values: np.ndarray, name: str) -> np.ndarray:
        return values @ self.weights[f"{name}/kernel"] + self.weights[f"{name}/bias"]

    def normalised(self, values: np.ndarray, name: str) -> np.ndarray:
        gamma, beta, mean, variance = (
            self.weights[f"{name}/{part}"]
            for part in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        return gamma * (values - mean) / np.sqrt(variance + 1e-3) + beta


class VggByHand(ByHand):
    """The other network, likewise."""

    def __call__(self, window: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        image = self.normalised(window[..., None], "batch_normalization")
        poolings = (((4, 1), 2), ((2, 2), 2), ((2, 2), 2), ((2, 2), 2), ((4, 4), 4))
        for number, (size, stride) in enumerate(poolings, start=1):
            patches = sliding_window_view(np.pad(image, ((1, 1), (1, 1), (0, 0))), (3, 3), (0, 1))
            kernel = self.weights[f"{number}CNN/kernel"]
            answers = np.tensordot(patches, kernel.transpose(2, 0, 1, 3), 3)
            answers = np.maximum(answers + self.weights[f"{number}CNN/bias"], 0.0)
            image = self.normalised(answers, f"batch_normalization_{number}")
            image = sliding_window_view(image, size, (0, 1))[::stride, ::stride].max(axis=(-2, -1))
        embedding = image.ravel()
        return 1.0 / (1.0 + np.exp(-self.dense(embedding, "dense"))), embedding


@pytest.mark.parametrize(
    ("name", "by_hand"), [("MSD_musicnn", ByHand), ("MTT_musicnn", ByHand), ("MSD_vgg", VggByHand)]
)
def test_the_network_is_the_one_written_out_by_hand(
    pretrained: ModuleType, name: str, by_hand: type[ByHand]
) -> None:
    rng = np.random.default_rng(0)
    levels = 2.0 + 2.0 * rng.standard_normal((2, 187, 96)).astype(np.float32)
    weights = pretrained.checkpoint_weights(name)
    network = pretrained.network_of(weights, name)
    tags, embeddings = network.predict_on_batch(np.maximum(levels, 0.0))
    exact = by_hand({key: value.astype(np.float64) for key, value in weights.items()})
    for number, window in enumerate(np.maximum(levels, 0.0)):
        expected_tags, expected_embedding = exact(window)
        np.testing.assert_allclose(embeddings[number], expected_embedding, rtol=1e-4, atol=2e-4)
        np.testing.assert_allclose(tags[number], expected_tags, atol=1e-5)
    assert np.abs(embeddings[0] - embeddings[1]).max() > 0.1


def test_every_weight_is_used_once(pretrained: ModuleType, weights: Weights) -> None:
    # 8 convolutions and 2 dense layers with kernel and bias, 11 batch norms of 4 vectors.
    assert len(weights) == 2 * 10 + 4 * 11
    n_parameters = pretrained.network_of(weights).count_params()
    assert sum(value.size for value in weights.values()) == n_parameters
    for name in ("dense/kernel", "batch_normalization_7/moving_variance"):
        without = {key: value for key, value in weights.items() if key != name}
        with pytest.raises(SoundloomError, match=f"weight {name} should have shape .* found none"):
            pretrained.network_of(without)
        with pytest.raises(SoundloomError, match=f"{name} should have shape .* found \\(3,\\)"):
            pretrained.network_of(weights | {name: np.zeros(3, np.float32)})
    with pytest.raises(SoundloomError, match="weights of no layer: dense_2/bias"):
        pretrained.network_of(weights | {"dense_2/bias": np.zeros(3, np.float32)})


def test_musicnns_own_code_is_never_run(tagger: Tagger) -> None:
    assert not any(name.partition(".")[0] == "musicnn" for name in sys.modules)


def test_without_the_package(
    pretrained: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(SoundloomError, match=r"package musicnn 0\.1\.0 is not installed"):
        pretrained.checkpoint_weights()
    (tmp_path / "musicnn").mkdir()
    (tmp_path / "musicnn" / "__init__.py").touch()
    with pytest.raises(SoundloomError, match="holds no checkpoint"):
        pretrained.checkpoint_weights()


def test_the_input_is_a_log_mel_spectrogram() -> None:
    sine = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(4 * 16_000) / 16_000)
    windows = log_mel_windows(sine, 16_000, hop_seconds=0.32)
    assert windows.dtype == np.float32
    # 4 s are 251 frames: windows of 187 start at 0, 20, 40 and 60.
    assert windows.shape == (4, 187, 96)
    np.testing.assert_array_equal(windows[0, 20:], windows[1, :-20])
    edges_hz = librosa.mel_frequencies(98, fmin=0, fmax=8000)
    assert edges_hz[windows[0, 90].argmax() + 1] == pytest.approx(1000, abs=40)
    # Half a sine of full scale has the magnitude 512 / 8 in its bin, and half of that in the two
    # beside it (Hann); Slaney's triangles are 2 / their width in Hz high.
    filters = librosa.filters.mel(sr=16_000, n_fft=512, n_mels=96)
    power = filters[:, 31:34] @ np.array([32.0, 64.0, 32.0]) ** 2
    np.testing.assert_allclose(windows[0, 90], np.log10(1 + 1e4 * power), atol=2e-3)


def test_windows_keep_time_where_the_hop_is_no_whole_number_of_frames() -> None:
    clicks = np.zeros(60 * 16_000, np.float32)
    clicks[1 * 16_000 :: 16_000] = 1.0
    windows = log_mel_windows(clicks, 16_000, hop_seconds=1.0)  # 62.5 frames
    assert len(windows) == 58
    loudest = windows[:, 40:90].sum(axis=2).argmax(axis=1) + 40
    assert set(loudest) <= {62, 63}


def test_any_sample_rate(one_ear: Tagger) -> None:
    at_16k = one_ear(librosa.resample(music(3.5, 44_100), orig_sr=44_100, target_sr=16_000), 16_000)
    np.testing.assert_allclose(one_ear(music(3.5, 44_100), 44_100).tags, at_16k.tags, atol=0.02)


def test_what_cannot_be_tagged(one_ear: Tagger) -> None:
    with pytest.raises(SoundloomError, match=r"lasts 2\.90 s; it must last at least 3\.0 s"):
        one_ear(music(2.9, RATE_HZ), RATE_HZ)
    assert len(one_ear(music(3.0, RATE_HZ), RATE_HZ).tags) == 1
    with pytest.raises(SoundloomError, match=r"hop_seconds is 0\.0; .* at least 0\.016"):
        one_ear(music(3.0, RATE_HZ), RATE_HZ, hop_seconds=0.0)
    with pytest.raises(SoundloomError, match="mono and finite"):
        one_ear(np.full(RATE_HZ * 3, np.nan), RATE_HZ)
    with pytest.raises(SoundloomError, match=r"mono and finite; got shape \(100000, 2\)"):
        one_ear(np.zeros((100_000, 2)), RATE_HZ)


def test_the_same_audio_gives_the_same_numbers(tagger: Tagger, pretrained: ModuleType) -> None:
    samples = music(15, RATE_HZ)
    first = tagger(samples, RATE_HZ)
    assert first.tags.shape == (5, 50)
    assert first.embeddings.shape == (5, 200)
    assert first.tags.dtype == first.embeddings.dtype == np.float32
    assert 0.0 <= first.tags.min() <= first.tags.max() <= 1.0
    again, other = tagger(samples, RATE_HZ), pretrained.load_tagger()(samples, RATE_HZ)
    for result in (again, other):
        np.testing.assert_array_equal(result.tags, first.tags)
        np.testing.assert_array_equal(result.embeddings, first.embeddings)
        assert first.further.keys() == result.further.keys() == set(FURTHER_EARS)
        for ear in FURTHER_EARS:
            np.testing.assert_array_equal(result.further[ear], first.further[ear])
    assert {ear: found.shape for ear, found in first.further.items()} == {
        "MSD_vgg": (5, 256), "MTT_musicnn": (5, 200),
    }  # fmt: skip
    # Where windows overlap, the further ears still hear one after the other.
    overlapping = tagger(samples[: RATE_HZ * 7], RATE_HZ, hop_seconds=1.0)
    assert len(overlapping.embeddings) == 5
    # Frames of a shorter recording round differently on some processors.
    vgg = overlapping.further["MSD_vgg"], first.further["MSD_vgg"][:2]
    np.testing.assert_allclose(*vgg, atol=1e-4)
    # A window's numbers do not depend on those beside it.
    sparse = tagger(samples, RATE_HZ, hop_seconds=6.0)
    np.testing.assert_array_equal(sparse.embeddings[0], first.embeddings[0])
    np.testing.assert_allclose(sparse.embeddings[1:], first.embeddings[2::2], atol=1e-5)


def test_silence_is_one_point(tagger: Tagger) -> None:
    result = tagger(np.zeros(7 * RATE_HZ, np.float32), RATE_HZ)
    assert np.isfinite(result.tags).all()
    assert np.isfinite(result.embeddings).all()
    assert np.ptp(result.embeddings, axis=0).max() < 1e-6


def test_loudness_matters(one_ear: Tagger) -> None:
    samples = perform(0, 0, 9.0, RATE_HZ)
    loud, same, quiet = (one_ear(samples * 10 ** (-db / 20), RATE_HZ) for db in (0, 1, 20))
    moved = [np.abs(other.embeddings - loud.embeddings).mean() for other in (same, quiet)]
    assert 0.0 < moved[0] < 0.3 * moved[1]


def test_our_own_band_is_tagged_rock_and_noise_is_not(one_ear: Tagger) -> None:
    band = np.concatenate(
        [one_ear(perform(0, track, 12.0, RATE_HZ), RATE_HZ).tags for track in range(4)]
    )
    of_noise = one_ear(noise(12), RATE_HZ).tags
    assert best(of_noise, 2) == {"electronic", "dance"}
    assert "rock" in best(band, 2)
    assert activations(band)["rock"] > 2.0 * activations(of_noise)["rock"]
    assert profile_distance(tag_profile(band), tag_profile(of_noise)) > 0.2


needs_apt = pytest.mark.skipif(not shutil.which("apt-get"), reason="this system has no apt-get")


@pytest.mark.slow
@needs_apt
def test_real_rock_is_tagged_so(one_ear: Tagger, tmp_path: Path) -> None:
    dataset = small_config({"dataset.source": "debian"}).dataset
    try:
        songs = debian.collect(dataset, tmp_path).recordings
    except SoundloomError as error:
        pytest.skip(f"the packages cannot be had here: {error}")
    # Loading sums whole songs: one of each package will do.
    excerpts = [song.load(RATE_HZ).samples[60 * RATE_HZ : 75 * RATE_HZ] for song in songs[::4]]
    assert len(excerpts) == len(dataset.debian.packages) == 2
    tags = np.concatenate([one_ear(excerpt, RATE_HZ).tags for excerpt in excerpts])
    assert best(tags, 3) <= {"metal", "heavy metal", "rock", "hard rock"}
    assert activations(tags)["ambient"] < 0.05
