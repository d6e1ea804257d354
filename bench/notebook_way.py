"""What the notebook this began as did, written afresh from its description, as naive as it was.

None of it is used anywhere but beside the project's own way, in ``bench/speed.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras

PATCH = 64
UNITS = 256
BATCH = 32
# 10 by 5 inches at 100 dots: 500 rows of 1000 pixels in four channels, 4000 values a row.
INCHES, DOTS = (10, 5), 100
N_INPUTS = INCHES[0] * DOTS * 4


def spectrogram(audio: Path, picture: Path) -> None:
    """Audio → STFT → dB → each frame scaled by itself → a picture with axes and a colour bar."""
    import librosa
    import matplotlib.pyplot as plt
    from sklearn.preprocessing import MinMaxScaler

    samples, rate_hz = librosa.load(audio, sr=None)
    levels = librosa.amplitude_to_db(np.abs(librosa.stft(samples)), ref=np.max)
    unit = MinMaxScaler().fit_transform(levels)
    figure, axes = plt.subplots(figsize=INCHES, dpi=DOTS)
    mesh = librosa.display.specshow(unit, sr=rate_hz, x_axis="time", y_axis="log", ax=axes)
    figure.colorbar(mesh, ax=axes)
    axes.set(title=audio.name)
    figure.savefig(picture)
    plt.close(figure)


def pairs(picture: Path, folder: Path) -> int:
    """Windows of 64 rows down the picture, one row on each time, in files; returns their bytes."""
    from matplotlib.image import imread

    pixels = (imread(picture) * 255).astype(np.uint8)
    inputs, outputs = [], []
    for first in range(len(pixels) - PATCH):
        inputs.append(pixels[first : first + PATCH].copy())
        outputs.append(pixels[first + 1 : first + PATCH + 1].copy())
    for name, windows in (("inputs", inputs), ("outputs", outputs)):
        np.save(folder / f"{name}.npy", np.stack(windows))
    return sum(file.stat().st_size for file in folder.glob("*puts.npy"))


def network() -> keras.Model:
    """LSTM(256) → Dense(sigmoid) on rows of the picture."""
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((PATCH, N_INPUTS)),
            layers.LSTM(UNITS, return_sequences=True),
            layers.Dense(N_INPUTS, activation="sigmoid"),
        ]
    )
    model.compile(optimizer="adam", loss="mse")
    return model


def batches(rows: np.ndarray) -> Iterator[tuple[Any, Any]]:
    """Batches of windows, one after another, as its generator gave them."""
    windows = np.stack([rows[first : first + PATCH + 1] for first in range(len(rows) - PATCH)])
    for first in range(0, len(windows) - BATCH + 1, BATCH):
        batch = windows[first : first + BATCH]
        yield batch[:, :-1], batch[:, 1:]


def step(model: keras.Model, window: np.ndarray) -> np.ndarray:
    """The window one step on: all of it is predicted anew for its last row."""
    predicted = model.predict(window[None], verbose=0)[0]
    return np.concatenate([window[1:], predicted[-1:]])
