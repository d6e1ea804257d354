"""Pictures: what is drawn lies where it should, and the same arrays give the same bytes."""

import subprocess
import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from params import REPOSITORY
from soundloom.figures.canvas import BOTTOM, HEAT_MAP_RIGHT, LEFT, TOP
from soundloom.figures.distances import draw_distances
from soundloom.figures.spectrograms import draw_chroma, draw_decibels, draw_encoded, draw_frames
from soundloom.figures.waveforms import draw_resampled, draw_rolloff, draw_waveform, draw_zoom
from soundloom.spectral.codec import FrameCodec
from soundloom.spectral.config import SpectrogramConfig

FRAMES_PER_SECOND = 22050 / 256


def frames_with_a_line(n_frames: int, n_bins: int, loud_bin: int) -> np.ndarray:
    frames = np.zeros((n_frames, n_bins), np.float32)
    frames[:, loud_bin] = 1.0
    return frames


def brightness(picture: Path) -> np.ndarray:
    """Of the plot's inside, ``(rows from the foot up, columns)``: 0 (black) to 3 (white)."""
    pixels = matplotlib.image.imread(picture)[..., :3].sum(axis=2)
    height, width = pixels.shape
    top, foot = round(height * (1 - TOP)), round(height * (1 - BOTTOM))
    left, right = round(width * LEFT), round(width * HEAT_MAP_RIGHT)
    return pixels[top + 2 : foot - 2, left + 2 : right - 2][::-1]


def bright_heights(picture: Path) -> np.ndarray:
    """Heights of the bright pixels in the plot's middle: 0 at the foot, 1 at the top."""
    inside = brightness(picture)
    column = inside[:, inside.shape[1] // 2]
    return (np.flatnonzero(column > 1.5) + 0.5) / len(column)


def draw_everything(folder: Path) -> None:
    rng = np.random.default_rng(0)
    samples = rng.uniform(-1, 1, 30_000).astype(np.float32)
    frames = rng.random((2000, 65)).astype(np.float32)
    hertz = np.linspace(0, 11025, 65)
    rate = FRAMES_PER_SECOND
    draw_frames(folder / "frames.png", frames, hertz, rate, colour_label="level")
    draw_decibels(folder / "decibels.png", -80 * frames, hertz, rate)
    draw_chroma(folder / "chroma.png", frames[:, :12], rate)
    draw_waveform(folder / "waveform.png", samples, 22050, title="$5 \\frac{ $6_")
    draw_zoom(folder / "zoom.png", samples[:100], 9000, np.array([3, 50]))
    draw_rolloff(folder / "rolloff.png", samples, 22050, 5000 * frames[:100, 0], rate)
    draw_resampled(
        folder / "resampled.png",
        (samples[:200], 22050),
        (samples[:72], 8000),
        (-frames[0] * 80, -frames[1] * 80),
    )
    generated = {"fad": 20.5, "fad_low": 15.0, "fad_high": 30.0, "kad": -1.0}
    draw_distances(folder / "distances.png", {"generated": generated, "noise": generated})


def test_every_picture_is_drawn_and_drawn_the_same_again(tmp_path: Path) -> None:
    for folder in (tmp_path / "first", tmp_path / "again"):
        draw_everything(folder)
    drawn = sorted(tmp_path.glob("first/*"))
    assert len(drawn) == 8
    for picture in drawn:
        data = picture.read_bytes()
        assert data == (tmp_path / "again" / picture.name).read_bytes(), picture.name
        assert matplotlib.image.imread(picture).shape[:2] == (320, 900)
        assert b"Software" not in data


@pytest.mark.parametrize("n_frames", [3, 500, 5000])
def test_a_tone_lies_at_its_height_on_the_log_axis(tmp_path: Path, n_frames: int) -> None:
    hertz = np.geomspace(50, 12_800, 65)  # 8 octaves, 8 bins an octave
    for loud_bin in (8, 32, 56):
        frames = frames_with_a_line(n_frames, 65, loud_bin)
        draw_frames(tmp_path / "tone.png", frames, hertz, FRAMES_PER_SECOND)
        heights = bright_heights(tmp_path / "tone.png")
        assert heights.mean() == pytest.approx((loud_bin + 0.5) / 65, abs=0.01)


def test_evenly_spaced_bins_are_drawn_as_high_as_their_octaves(tmp_path: Path) -> None:
    """All below 1 kHz is one of 32 bands from 0 Hz, but half of the octaves above the first."""
    hertz = np.linspace(0, 16_000, 513)  # 31.25 Hz apart; the first has no place on a log axis
    frames = np.repeat((hertz < 1000)[None], 10, axis=0).astype(np.float32)
    draw_frames(tmp_path / "low.png", frames, hertz, FRAMES_PER_SECOND)
    # From half an octave below 31.25 Hz up to 16 kHz, nine and a half octaves, 5.5 of them bright.
    assert bright_heights(tmp_path / "low.png").max() == pytest.approx(5.5 / 9.5, abs=0.02)


def test_neighbouring_frames_are_averaged_and_stay_at_their_time(tmp_path: Path) -> None:
    """5000 frames on 800 columns: a quarter of them loud, then every other one."""
    frames = np.zeros((5000, 12), np.float32)
    frames[1250:2500] = 1.0
    frames[2500::2] = 1.0
    draw_chroma(tmp_path / "chroma.png", frames, FRAMES_PER_SECOND)
    across = brightness(tmp_path / "chroma.png").mean(axis=0)
    silent, loud, mixed = across[: len(across) // 4 - 3], across[300:340], across[400:]
    assert silent.max() < 0.1 < mixed.min() < mixed.max() < loud.min()
    first_loud = np.flatnonzero(across > (silent.max() + loud.min()) / 2)[0]
    assert first_loud / len(across) == pytest.approx(0.25, abs=0.005)


def test_what_a_codec_made_is_drawn_on_the_codecs_axes(tmp_path: Path) -> None:
    config = SpectrogramConfig(
        kind="mel", n_fft=1280, hop_samples=256, n_mels=128, amplitude="db", range_db=80.0,
        log1p_gain=1000.0, scaler="global", griffin_lim_iterations=0, n_previews=0,
    )  # fmt: skip
    tone = np.sin(2 * np.pi * 1000 * np.arange(8 * 16_000) / 16_000).astype(np.float32)
    codec = FrameCodec.fit([FrameCodec.level_range(tone, config, 16_000)], config, 16_000)
    frames = codec.encode(tone)
    draw_encoded(tmp_path / "encoded.png", frames, codec, title="tone")
    hertz = codec.bin_frequencies_hz
    assert hertz[np.median(frames, axis=0).argmax()] == pytest.approx(1000, rel=0.03)
    draw_frames(tmp_path / "frames.png", frames, hertz, 16_000 / 256, title="tone")
    assert (tmp_path / "encoded.png").read_bytes() == (tmp_path / "frames.png").read_bytes()


def test_a_user_s_matplotlib_settings_change_nothing(tmp_path: Path) -> None:
    import matplotlib

    samples = np.sin(np.arange(1000) / 10).astype(np.float32)
    draw_waveform(tmp_path / "plain.png", samples, 8000)
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "pink"}):
        draw_waveform(tmp_path / "styled.png", samples, 8000)
    assert (tmp_path / "plain.png").read_bytes() == (tmp_path / "styled.png").read_bytes()


def test_importing_figures_does_not_import_matplotlib() -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(REPOSITORY / 'src')!r});"
        "from soundloom.figures import canvas, distances, spectrograms, waveforms;"
        "sys.exit('matplotlib' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
