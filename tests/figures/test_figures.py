"""Pictures: what is drawn lies where it should, and the same arrays give the same bytes."""

import subprocess
import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from soundloom.config import Config
from soundloom.figures import sound as figures
from soundloom.spectral.codec import FrameCodec

FRAMES_PER_SECOND = 22050 / 256


def frames_with_a_line(n_frames: int, n_bins: int, loud_bin: int) -> np.ndarray:
    frames = np.zeros((n_frames, n_bins), np.float32)
    frames[:, loud_bin] = 1.0
    return frames


def bright_rows(picture: Path) -> np.ndarray:
    """Heights of the bright pixels in the plot's middle: 0 at the foot, 1 at the top."""
    pixels = matplotlib.image.imread(picture)[..., :3].sum(axis=2)
    height, width = pixels.shape
    top = round(height * (1 - figures.TOP))
    foot = round(height * (1 - figures.BOTTOM))
    column = pixels[top + 2 : foot - 2, width // 2]
    return 1 - np.flatnonzero(column > 1.5) / len(column)


def draw_everything(folder: Path) -> None:
    rng = np.random.default_rng(0)
    samples = rng.uniform(-1, 1, 30_000).astype(np.float32)
    frames = rng.random((2000, 65)).astype(np.float32)
    hertz = np.linspace(0, 11025, 65)
    rate = FRAMES_PER_SECOND
    figures.draw_frames(folder / "frames.png", frames, hertz, rate, colour_label="level")
    figures.draw_decibels(folder / "decibels.png", -80 * frames, hertz, rate)
    figures.draw_waveform(folder / "waveform.png", samples, 22050, title="$5 \\frac{ $6_")
    figures.draw_zoom(folder / "zoom.png", samples[:100], 9000, np.array([3, 50]))
    figures.draw_rolloff(folder / "rolloff.png", samples, 22050, 5000 * frames[:100, 0], rate)
    figures.draw_chroma(folder / "chroma.png", frames[:, :12], rate)
    figures.draw_resampled(
        folder / "resampled.png",
        (samples[:200], 22050),
        (samples[:72], 8000),
        (-frames[0] * 80, -frames[1] * 80),
    )


def test_every_picture_is_drawn_and_drawn_the_same_again(tmp_path: Path) -> None:
    for folder in (tmp_path / "first", tmp_path / "again"):
        draw_everything(folder)
    drawn = sorted(tmp_path.glob("first/*"))
    assert len(drawn) == 7
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
        figures.draw_frames(tmp_path / "tone.png", frames, hertz, FRAMES_PER_SECOND)
        rows = bright_rows(tmp_path / "tone.png")
        assert rows.mean() == pytest.approx((loud_bin + 0.5) / 65, abs=0.01)


def test_what_a_codec_made_is_drawn_on_the_codecs_axes(tmp_path: Path, config: Config) -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(8 * 16_000) / 16_000).astype(np.float32)
    extremes = [FrameCodec.level_range(tone, config.spectrogram, 16_000)]
    codec = FrameCodec.fit(extremes, config.spectrogram, 16_000)
    frames = codec.encode(tone)
    figures.draw_encoded(tmp_path / "encoded.png", frames, codec, title="tone")
    hertz = codec.bin_frequencies_hz
    assert hertz[np.median(frames, axis=0).argmax()] == pytest.approx(1000, rel=0.03)
    figures.draw_frames(tmp_path / "frames.png", frames, hertz, 16_000 / 256, title="tone")
    assert (tmp_path / "encoded.png").read_bytes() == (tmp_path / "frames.png").read_bytes()


def test_linear_bins_are_averaged_onto_the_log_axis() -> None:
    hertz = np.linspace(0, 11025, 513)[1:]
    edges = np.log2(figures._bin_edges(hertz))
    columns = np.random.default_rng(1).random((4, 512))
    rows = figures._rows(columns, edges)
    assert rows.shape == (4, figures.MAX_ROWS)
    # Area is kept: the mean over the picture is the mean of the bins weighted by their height.
    weights = np.diff(edges) / (edges[-1] - edges[0])
    np.testing.assert_allclose(rows.mean(axis=1), columns @ weights)


def test_columns_average_neighbouring_frames_and_keep_the_time() -> None:
    frames = np.arange(2400, dtype=np.float32)[:, None]
    columns, edges_s = figures._columns(frames, 100.0)
    assert columns.shape == (figures.MAX_COLUMNS, 1)
    np.testing.assert_allclose(columns[:3, 0], [1, 4, 7])
    np.testing.assert_allclose(edges_s[[0, 1, -1]], [-0.005, 0.025, 23.995])


def test_a_user_s_matplotlib_settings_change_nothing(tmp_path: Path) -> None:
    import matplotlib

    samples = np.sin(np.arange(1000) / 10).astype(np.float32)
    figures.draw_waveform(tmp_path / "plain.png", samples, 8000)
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "pink"}):
        figures.draw_waveform(tmp_path / "styled.png", samples, 8000)
    assert (tmp_path / "plain.png").read_bytes() == (tmp_path / "styled.png").read_bytes()


def test_importing_figures_does_not_import_matplotlib() -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(Path(figures.__file__).parents[1])!r});"
        "import soundloom.figures; sys.exit('matplotlib' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
