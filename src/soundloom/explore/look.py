"""A first look at a clip: what its waveform, spectrum and harmony measure.

The analyses are the notebook's, with its sizes: an STFT of 2048 samples every 512. They are apart
from the ``spectrogram`` section on purpose: looking at the audio does not depend on how a model
will see it.
"""

from __future__ import annotations

from dataclasses import dataclass

import librosa
import numpy as np
import scipy.signal
from threadpoolctl import threadpool_limits

from soundloom.audio.levels import peak_dbfs, rms_dbfs
from soundloom.audio.samples import resample
from soundloom.explore.config import ExploreConfig

N_FFT, HOP_SAMPLES = 2048, 512
# What digital silence counts as, so that its density is a number of decibels.
QUIETEST = 1e-6


@dataclass(frozen=True)
class Look:
    """What :func:`look_at` saw of one clip. Frames are centred ``HOP_SAMPLES`` apart, from 0 s.

    ``crossings`` are indices into ``zoom`` of the first sample of each new sign; ``frames_db`` is
    ``(n_frames, 1 + N_FFT / 2)``, 0 dB at the loudest; ``chroma`` is ``(n_frames, 12)`` in [0, 1]
    from pitch class C; ``spectra_db`` are power densities in dB per Hz, evenly spaced from 0 Hz to
    half the rate, of ``samples`` and of ``resampled``.
    """

    samples: np.ndarray
    sample_rate_hz: int
    zoom_start_sample: int
    zoom: np.ndarray
    crossings: np.ndarray
    frames_db: np.ndarray
    rolloff_hz: np.ndarray
    chroma: np.ndarray
    resampled: np.ndarray
    resample_rate_hz: int
    spectra_db: tuple[np.ndarray, np.ndarray]
    numbers: dict[str, float | int]

    @property
    def frames_per_second(self) -> float:
        """Frame rate of everything that has frames, in Hz."""
        return self.sample_rate_hz / HOP_SAMPLES

    @property
    def frequencies_hz(self) -> np.ndarray:
        """Centre of each bin of ``frames_db``."""
        return librosa.fft_frequencies(sr=self.sample_rate_hz, n_fft=N_FFT)

    @property
    def before_and_after(self) -> tuple[tuple[np.ndarray, int], tuple[np.ndarray, int]]:
        """The zoom's stretch of time as (samples, rate in Hz), before and after resampling."""
        ratio = self.resample_rate_hz / self.sample_rate_hz
        start = round(self.zoom_start_sample * ratio)
        end = start + max(1, round(len(self.zoom) * ratio))
        return (self.zoom, self.sample_rate_hz), (self.resampled[start:end], self.resample_rate_hz)


def look_at(samples: np.ndarray, sample_rate_hz: int, config: ExploreConfig) -> Look:
    """Measure ``(n_samples,)`` in [-1, 1]; at least ``config.zoom_end_sample`` samples.

    ``numbers`` holds, by name: levels in dB relative to full scale, sign changes (in the zoom, and
    per second of the clip), means over the frames of spectral centroid and roll-off, a tempo
    estimate, the strongest pitch class (0 is C), and lengths before and after resampling.
    """
    # The matrix products inside librosa give other last bits with another number of threads.
    with threadpool_limits(1):
        magnitudes = np.abs(librosa.stft(samples, n_fft=N_FFT, hop_length=HOP_SAMPLES))
        rolloff_hz = librosa.feature.spectral_rolloff(
            S=magnitudes, sr=sample_rate_hz, roll_percent=config.rolloff_fraction
        )[0]
        centroid_hz = librosa.feature.spectral_centroid(S=magnitudes, sr=sample_rate_hz)[0]
        chroma = librosa.feature.chroma_stft(S=magnitudes**2, sr=sample_rate_hz).T
        tempo_bpm = librosa.feature.tempo(y=samples, sr=sample_rate_hz)[0]
    zoom = samples[config.zoom_start_sample : config.zoom_end_sample]
    crossings = zero_crossings(zoom)
    resampled = resample(samples, sample_rate_hz, config.resample_rate_hz)
    numbers = {
        "duration_seconds": len(samples) / sample_rate_hz,
        "peak_dbfs": peak_dbfs(samples),
        "rms_dbfs": rms_dbfs(samples),
        "zero_crossings_in_zoom": len(crossings),
        "zero_crossings_per_second": len(zero_crossings(samples)) * sample_rate_hz / len(samples),
        "centroid_hz": np.mean(centroid_hz),
        "rolloff_hz": np.mean(rolloff_hz),
        "tempo_bpm": tempo_bpm,
        "strongest_pitch_class": int(chroma.mean(axis=0).argmax()),
        "n_samples": len(samples),
        "resampled_n_samples": len(resampled),
    }
    return Look(
        samples=samples,
        sample_rate_hz=sample_rate_hz,
        zoom_start_sample=config.zoom_start_sample,
        zoom=zoom,
        crossings=crossings,
        frames_db=librosa.amplitude_to_db(magnitudes, ref=np.max).T,
        rolloff_hz=rolloff_hz,
        chroma=chroma,
        resampled=resampled,
        resample_rate_hz=config.resample_rate_hz,
        spectra_db=(
            power_density_db(samples, sample_rate_hz),
            power_density_db(resampled, config.resample_rate_hz),
        ),
        # Three decimals: below a cent of every unit, above the last bits machines disagree on.
        numbers={
            name: value if isinstance(value, int) else round(float(value), 3)
            for name, value in numbers.items()
        },
    )


def zero_crossings(samples: np.ndarray) -> np.ndarray:
    """Indices of samples whose sign is not that of the sample before; 0 counts as positive."""
    return np.flatnonzero(librosa.zero_crossings(samples, pad=False))


def power_density_db(samples: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Mean power density of ``(n_samples,)``, dB per Hz, from 0 Hz to half the rate.

    Welch, "The use of fast Fourier transform for the estimation of power spectra" (1967). Being a
    density, it does not change with the rate the same sound is sampled at.
    """
    length = min(N_FFT, len(samples))
    _, density = scipy.signal.welch(samples, sample_rate_hz, nperseg=length)
    return 10 * np.log10(np.maximum(density, QUIETEST**2))
