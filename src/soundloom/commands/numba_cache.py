"""Have Numba compile what Soundloom uses of librosa, once, when the environment is set up.

`make` runs ``python -m soundloom.commands.numba_cache``. Where several processes are the first to
compile, as two workers of DVC's queue would be, they may leave a cache that ends every later
process with a segmentation fault (https://github.com/numba/numba/issues/10128).
"""

from __future__ import annotations

import librosa
import numpy as np

from soundloom.evaluation.metrics.rhythm import beat_module

_RATE_HZ = 22_050
_SECONDS = 4


def fill() -> None:
    """Compile, or find compiled, whatever the pipeline calls; Numba keeps it beside librosa."""
    length = _SECONDS * _RATE_HZ
    beats = librosa.clicks(times=np.arange(0.25, _SECONDS, 0.5), sr=_RATE_HZ, length=length)
    tone = librosa.tone(220.0, sr=_RATE_HZ, length=length)
    samples = (0.5 * beats + 0.1 * tone).astype(np.float32)
    librosa.istft(librosa.stft(samples))
    librosa.feature.chroma_cqt(y=samples, sr=_RATE_HZ)
    librosa.zero_crossings(samples)
    envelope = librosa.onset.onset_strength(y=samples, sr=_RATE_HZ)
    librosa.onset.onset_detect(onset_envelope=envelope, sr=_RATE_HZ)
    beat_module().beat_track(onset_envelope=envelope, sr=_RATE_HZ)


if __name__ == "__main__":
    fill()
