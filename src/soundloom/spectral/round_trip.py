"""What is lost from samples to frames and back: the most that any model of frames can keep."""

from __future__ import annotations

import numpy as np

from soundloom.common.channels import in_channels
from soundloom.spectral.codec import FrameCodec
from soundloom.spectral.spectrogram import analyse, stft_amplitude
from soundloom.spectral.stereo import stereo_image


def spectral_convergence(reference: np.ndarray, estimate: np.ndarray) -> float:
    """‖|reference| - |estimate|‖ / ‖reference‖ of two amplitude arrays of one shape; 0 is perfect.

    Source: Sturmel & Daudet 2011.
    """
    size = float(np.linalg.norm(reference))
    return float(np.linalg.norm(reference - estimate)) / max(size, 1e-12)


def round_trip_errors(samples: np.ndarray, codec: FrameCodec) -> dict[str, float]:
    """What is lost from samples to frames and back.

    ``spectral_convergence`` compares STFT amplitudes (0 is perfect), ``log_mel_error_db`` is the
    mean absolute difference of 128-band mel levels, floored at 80 dB below the loudest; of stereo
    both are of the mid. ``pan_error`` and ``width_error``, of stereo alone, are mean absolute
    differences of :func:`stereo_image`, which lies in [0, 1].
    """
    samples = samples[: (codec.config.n_frames(len(samples)) - 1) * codec.config.hop_samples]
    decoded = codec.decode(codec.encode(samples), len(samples))
    of_stereo = _image_errors(samples, decoded, codec) if codec.channels == 2 else {}
    samples, decoded = in_channels(samples, 1), in_channels(decoded, 1)
    # Judged by one fixed analysis, not by the codec's own, so that codecs can be compared.
    yardstick = codec.config.model_copy(
        update={"kind": "mel", "amplitude": "db", "n_fft": 2048, "hop_samples": 512, "n_mels": 128}
    )
    levels = [analyse(audio, yardstick, codec.sample_rate_hz) for audio in (samples, decoded)]
    floor = levels[0].max() - 80.0
    difference = np.abs(np.maximum(levels[0], floor) - np.maximum(levels[1], floor))
    return {
        "spectral_convergence": spectral_convergence(
            stft_amplitude(samples, yardstick), stft_amplitude(decoded, yardstick)
        ),
        "log_mel_error_db": float(difference.mean()),
        **of_stereo,
    }


def _image_errors(samples: np.ndarray, decoded: np.ndarray, codec: FrameCodec) -> dict[str, float]:
    before, after = (
        stereo_image(audio, codec.config, codec.sample_rate_hz) for audio in (samples, decoded)
    )
    pan, width = np.split(np.abs(before - after), 2, axis=1)
    return {"pan_error": float(pan.mean()), "width_error": float(width.mean())}
