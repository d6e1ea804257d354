"""Audio whose quality is known beforehand, to be measured beside what a model makes.

A table that does not put these in their right order cannot be trusted with anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import repeat

import numpy as np
from scipy.ndimage import gaussian_filter

from soundloom.audio.levels import rms_dbfs
from soundloom.audio.samples import limited
from soundloom.band.mix import perform
from soundloom.common.lazy import LazyMapping, later
from soundloom.common.parallel import each
from soundloom.spectral.codec import FrameCodec

# All of held-out audio, made anew, as long as it was.
MADE_ANEW = ("resynthesised", "blurred")
# Another control is recordings of at most this length, long enough for all that is measured, and as
# many as hold the windows asked for, within these limits: of one alone diversity is not defined.
SECONDS = 30.0
_FEWEST_RECORDINGS, _MOST_RECORDINGS = 2, 8
_WINDOWS_A_RECORDING = 10
# A run of few windows need not wait for more audio than holds them, overlapping by half.
_SECONDS_A_WINDOW = 1.5
# A splice is cut from pieces of this length, long enough to be recognised as copies.
_PIECE_SECONDS = 4.0
_CROSSFADE_SECONDS = 0.02
# A loop this long is within what counts as stuck (4 s), and longer than a passage (2.5 s), so that
# both measures of looping must find it.
_LOOP_SECONDS = 3.0
# Blurred frames change 0.55 to 0.6 times as much as they did: as much as is left by 24 principal
# components, or by a model that predicts means. In frames and bins.
_BLUR = 0.85


def make_controls(
    codec: FrameCodec,
    training: Mapping[str, np.ndarray],
    held_out: Mapping[str, np.ndarray],
    *,
    prompt_seconds: float,
    with_band: bool,
    n_windows: int,
    seed: int,
    jobs: int,
) -> Iterator[tuple[str, Mapping[str, np.ndarray]]]:
    """Every control's name and its recordings, ``(n_samples,)`` each, by name.

    ``training`` and ``held_out`` are real audio at the codec's rate, by name, and may be read only
    when asked for. ``resynthesised`` and ``blurred`` are all of the held-out audio, and each made
    when asked for; of the others there are 2 to 8 recordings of up to 30 s, as ``n_windows``
    windows of 3 s need. ``other_music``, songs of the built-in band, is made ``with_band`` alone:
    where the corpus is the band's, it is no other.
    """
    rate_hz, rng = codec.sample_rate_hz, np.random.default_rng(seed)
    wanted = range(
        min(max(-(-n_windows // _WINDOWS_A_RECORDING), _FEWEST_RECORDINGS), _MOST_RECORDINGS)
    )
    seconds = min(SECONDS, _SECONDS_A_WINDOW * -(-n_windows // len(wanted)))
    n_samples, n_prompt = round(seconds * rate_hz), round(prompt_seconds * rate_hz)
    names = list(held_out)
    # Copies of their beginnings: a slice would keep all of a recording.
    chosen = [
        held_out[names[number % len(names)]][: max(n_samples, n_prompt)].copy() for number in wanted
    ]
    prompts = [samples[:n_prompt] for samples in chosen]
    in_parallel = partial(each, desc="controls", jobs=jobs)

    for control in (resynthesised, blurred):
        anew = {name: partial(_made_anew, control, codec, later(held_out, name)) for name in names}
        yield control.__name__, LazyMapping(anew)
    yield "splice", _numbered(splice(training, n_samples, rate_hz, rng) for _ in chosen)
    yield "prompt_loop", _numbered(prompt_loop(prompt, n_samples, rate_hz) for prompt in prompts)
    if with_band:
        songs = in_parallel(lambda song: perform(seed, song, seconds, rate_hz), wanted)
        yield "other_music", _numbered(songs)
    held = in_parallel(partial(last_frame, codec, n_samples=n_samples), prompts)
    yield "last_frame", _numbered(held)
    yield "noise", _numbered(noise_like(np.resize(samples, n_samples), rng) for samples in chosen)


def _numbered(recordings: Iterable[np.ndarray]) -> dict[str, np.ndarray]:
    return {str(number): samples for number, samples in enumerate(recordings)}


def _made_anew(
    control: Callable[[FrameCodec, np.ndarray], np.ndarray],
    codec: FrameCodec,
    read: Callable[[], np.ndarray],
) -> np.ndarray:
    return control(codec, read())


def resynthesised(codec: FrameCodec, samples: np.ndarray) -> np.ndarray:
    """Real audio through the codec and back, ``(n_samples,)``: no model on it can sound better."""
    return limited(codec.decode(_frames(codec, samples), len(samples)), codec.sample_rate_hz)


def blurred(codec: FrameCodec, samples: np.ndarray) -> np.ndarray:
    """The same with frames smoothed over time and frequency: the right music out of focus.

    As loud as ``samples``: the mean of levels in dB is less than the level of the mean.
    """
    smooth = codec.decode(gaussian_filter(_frames(codec, samples), _BLUR), len(samples))
    gain_db = rms_dbfs(samples) - rms_dbfs(smooth)
    return limited(smooth * np.float32(10.0 ** (gain_db / 20.0)), codec.sample_rate_hz)


def _frames(codec: FrameCodec, samples: np.ndarray) -> np.ndarray:
    """As many frames as cover the audio to its last sample."""
    return codec.encode(np.pad(samples, (0, codec.config.hop_samples)))


def last_frame(codec: FrameCodec, prompt: np.ndarray, n_samples: int) -> np.ndarray:
    """The last whole frame of a prompt, repeated: the drone that regression to the mean ends in."""
    frames = codec.encode(prompt)
    middle = codec.config.n_fft // 2 // codec.config.hop_samples
    last = frames[max(len(frames) - 1 - middle, 0)]
    held = np.tile(last, (codec.config.n_frames_covering(n_samples), 1))
    return limited(codec.decode(held, n_samples), codec.sample_rate_hz)


def noise_like(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """White noise as long and, by its root mean square, as loud as ``samples``."""
    rms = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
    return np.clip(rms * rng.standard_normal(len(samples)), -1.0, 1.0).astype(np.float32)


def splice(
    clips: Mapping[str, np.ndarray], n_samples: int, sample_rate_hz: int, rng: np.random.Generator
) -> np.ndarray:
    """Pieces of 4 s from anywhere in ``clips``, crossfaded: real in everything, and all copied.

    Clips shorter than a piece are used whole. Returns ``(n_samples,)``.
    """

    names = list(clips)

    def pieces() -> Iterator[np.ndarray]:
        while True:
            clip = clips[names[int(rng.integers(len(names)))]]
            length = min(round(_PIECE_SECONDS * sample_rate_hz), len(clip))
            start = rng.integers(len(clip) - length + 1)
            yield clip[start : start + length]

    return _crossfaded(pieces(), n_samples, sample_rate_hz)


def prompt_loop(prompt: np.ndarray, n_samples: int, sample_rate_hz: int) -> np.ndarray:
    """The last 3 s of a prompt over and over, crossfaded: real sound, but stuck.

    A shorter prompt is repeated whole. Returns ``(n_samples,)``.
    """
    piece = prompt[-round(_LOOP_SECONDS * sample_rate_hz) :]
    return _crossfaded(repeat(piece), n_samples, sample_rate_hz)


def _crossfaded(pieces: Iterable[np.ndarray], n_samples: int, sample_rate_hz: int) -> np.ndarray:
    """As many of ``pieces`` as it takes, each faded into the next: ``(n_samples,)`` float32."""
    joined = np.zeros(0, np.float32)
    for piece in pieces:
        piece = piece.astype(np.float32)
        # A piece may be shorter than two fades: what is left of a held-out segment can be tiny.
        fade = min(round(_CROSSFADE_SECONDS * sample_rate_hz), len(piece) // 2, len(joined))
        if fade:
            rise = np.linspace(0.0, 1.0, fade, dtype=np.float32)
            piece[:fade] = rise * piece[:fade] + (1.0 - rise) * joined[-fade:]
            joined = joined[:-fade]
        joined = np.concatenate([joined, piece])
        if len(joined) >= n_samples:
            break
    return joined[:n_samples]
