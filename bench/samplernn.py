"""A small SampleRNN on the same songs, for as many minutes: what a model of samples does here.

SampleRNN (Mehri et al. 2017, https://arxiv.org/abs/1612.07837) writes sound one sample at a time.
This is its three-tier form, made small: one GRU hears frames of 64 samples, one frames of 8, and a
perceptron draws each sample, of 256 levels (mu-law), from what they say and the 8 samples before.

Run it in a project that was built as far as ``generate`` and ``reference``, better in a copy: it
learns from the training part of ``data/raw``, continues ``data/generated/prompts`` and writes over
``data/generated/samples``; then ``python src/stage.py evaluate`` says what it is worth. Time is
that of the processor, so that other work on the machine takes nothing from it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np
from option_types import above_zero, at_least  # type: ignore[import-not-found]
from threadpoolctl import threadpool_limits

from soundloom.audio.files import read_audio, write_audio
from soundloom.audio.samples import resample, within_full_scale
from soundloom.common.errors import SoundloomError, run_or_exit
from soundloom.common.io import map_arrays, read_json, write_arrays
from soundloom.common.keras_setup import start_keras
from soundloom.common.paths import GENERATED_FOLDER
from soundloom.config import Config
from soundloom.corpus.files import read_manifest, read_part
from soundloom.corpus.split import Part
from soundloom.stages.reference import audio_of

RATE_HZ = 16_000  # as its authors have it, and as all networks hear that compare music here
N_LEVELS = 256
SILENT_LEVEL = N_LEVELS // 2
BIG_FRAME, FRAME = 64, 8  # samples
WINDOW = 512  # samples back through which gradients go
WINDOWS_A_ROW = 128  # 4 s, in which states are handed on
HELD_OUT_ROWS = 64  # of the validation part, by which it is judged
MU = 255.0
WEIGHTS_FILE = Path("models/samplernn.npz")

Weights = dict[str, np.ndarray]


def main() -> None:
    """Train, tell what was learned, continue all prompts."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--minutes",
        type=above_zero,
        help=f"of the processor, to train; without, what {WEIGHTS_FILE} holds goes on",
    )
    parser.add_argument("--units", type=at_least(1), default=256, help="of GRUs and perceptron")
    parser.add_argument("--rows", type=at_least(1), default=32, help="learned from at once")
    parser.add_argument("--learning-rate", type=above_zero, default=1e-3)
    parser.add_argument(
        "--try-out", action="store_true", help="only train, and tell of the validation part"
    )
    arguments = parser.parse_args()
    config = Config.load()
    if arguments.minutes is not None:
        start_keras(config.train.seed, config.train.threads)
        network = Network(arguments.units, arguments.rows, arguments.learning_rate)
        train(network, arguments.minutes * 60.0, config.train.seed)
        n_batches = max(1, HELD_OUT_ROWS // arguments.rows)
        held_out = list(pieces("validation", n_batches, arguments.rows))
        bits = np.mean([network.bits(piece) for piece in held_out])
        print(f"validation part: {bits:.3f} bits a sample", flush=True)
        if arguments.try_out:
            return
        weights = network.weights()
        check_sampler(network, weights, held_out[0])
        write_arrays(WEIGHTS_FILE, weights)
    weights = map_arrays(WEIGHTS_FILE)
    entries = read_json(GENERATED_FOLDER / "generated.json")["samples"]
    prompts = [GENERATED_FOLDER / "prompts" / f"{entry['prompt']}.wav" for entry in entries]
    began = time.perf_counter()
    heard = np.stack([levels_of(read_audio(path, RATE_HZ)) for path in prompts])
    made = continued(weights, heard, round(config.generate.seconds * RATE_HZ), config.generate.seed)
    seconds = time.perf_counter() - began
    print(f"{config.generate.seconds * len(entries) / seconds:.2f} × real time, all at once")
    rate_hz = config.generate.sample_rate_hz
    for entry, levels in zip(entries, made, strict=True):
        samples = within_full_scale(resample(samples_of(levels), RATE_HZ, rate_hz))
        write_audio(GENERATED_FOLDER / "samples" / f"{entry['name']}.wav", samples, rate_hz)


def levels_of(samples: np.ndarray) -> np.ndarray:
    """Samples in [-1, 1] → levels 0 to 255 of mu-law (ITU-T G.711's curve, not its code)."""
    bent = np.sign(samples) * np.log1p(MU * np.abs(samples)) / np.log1p(MU)
    return np.clip(np.round((bent + 1) / 2 * (N_LEVELS - 1)), 0, N_LEVELS - 1).astype(np.int32)


def samples_of(levels: np.ndarray) -> np.ndarray:
    """The other way round."""
    bent = 2 * levels / (N_LEVELS - 1) - 1
    return (np.sign(bent) * np.expm1(np.abs(bent) * np.log1p(MU)) / MU).astype(np.float32)


def segments(part: Part) -> list[np.ndarray]:
    """Levels of all audio of a part."""
    manifest = read_manifest()
    audio = audio_of(read_part(part), manifest).values()
    return [levels_of(resample(samples, manifest.sample_rate_hz, RATE_HZ)) for samples in audio]


def pieces(part: Part, n_batches: int, n_rows: int, seed: int = 0) -> Iterator[np.ndarray]:
    """Batches of 4 s from anywhere in a part, ``(n_rows, BIG_FRAME + n)`` levels; 0 for no end."""
    length = BIG_FRAME + WINDOW * WINDOWS_A_ROW
    found = [levels for levels in segments(part) if len(levels) >= length]
    if not found:
        raise SoundloomError(f"the {part} part has no {length / RATE_HZ:.1f} s without a break")
    n_places = np.array([len(levels) - length + 1 for levels in found])
    rng = np.random.default_rng(seed)
    number = 0
    while not n_batches or number < n_batches:
        which = rng.choice(len(found), n_rows, p=n_places / n_places.sum())
        firsts = [int(rng.integers(n_places[one])) for one in which]
        yield np.stack(
            [found[one][first : first + length] for one, first in zip(which, firsts, strict=True)]
        )
        number += 1


def windows(piece: np.ndarray) -> Iterator[np.ndarray]:
    """What is learned from at once, one after another, each with the samples before it."""
    for first in range(0, piece.shape[1] - BIG_FRAME, WINDOW):
        yield piece[:, first : first + BIG_FRAME + WINDOW]


class States(NamedTuple):
    """What both GRUs remember, each ``(n_rows, units)``."""

    upper: Any
    lower: Any


class Network:
    """Three tiers, as Keras trains them."""

    def __init__(self, units: int, n_rows: int, learning_rate: float) -> None:
        import tensorflow as tf
        from keras import layers, optimizers

        def gru() -> Any:
            return layers.GRU(units, return_sequences=True, return_state=True)

        self.units, self.n_rows = units, n_rows
        self._layers = {
            "upper_in": layers.Dense(units),
            "upper": gru(),
            "upper_out": layers.Dense(BIG_FRAME // FRAME * units),
            "lower_in": layers.Dense(units),
            "lower": gru(),
            "lower_out": layers.Dense(FRAME * units),
            "embedding": layers.Embedding(N_LEVELS, 64),
            "past": layers.Conv1D(units, FRAME, use_bias=False),
            "hidden_1": layers.Dense(units, activation="relu"),
            "hidden_2": layers.Dense(units, activation="relu"),
            "levels": layers.Dense(N_LEVELS),
        }
        self._optimizer = optimizers.Adam(learning_rate, global_clipnorm=1.0)
        self._tf = tf
        self._learn = tf.function(self._learn_eagerly)
        self._compare = tf.function(self._loss)

    def rate(self, value: float | None = None) -> float:
        """The learning rate; sets it to ``value``, if any."""
        if value is not None:
            self._optimizer.learning_rate = value
        return float(self._optimizer.learning_rate)

    def states(self) -> States:
        """Of rows that have heard nothing."""
        return States(*(self._tf.zeros((self.n_rows, self.units)) for _ in States._fields))

    def logits(self, heard: Any, states: States) -> tuple[Any, States]:
        """``(n_rows, BIG_FRAME + n)`` levels → the logits of the last ``n``, ``(n_rows, n, 256)``.

        ``n`` is a multiple of BIG_FRAME.
        """
        tf, layer, units = self._tf, self._layers, self.units
        n = heard.shape[1] - BIG_FRAME
        scaled = tf.cast(heard, "float32") / SILENT_LEVEL - 1.0
        frames = tf.reshape(scaled[:, :n], (-1, n // BIG_FRAME, BIG_FRAME))
        said, upper = layer["upper"](layer["upper_in"](frames), initial_state=states.upper)
        said = tf.reshape(layer["upper_out"](said), (-1, n // FRAME, units))
        frames = tf.reshape(scaled[:, BIG_FRAME - FRAME : -FRAME], (-1, n // FRAME, FRAME))
        said, lower = layer["lower"](layer["lower_in"](frames) + said, initial_state=states.lower)
        said = tf.reshape(layer["lower_out"](said), (-1, n, units))
        past = layer["past"](layer["embedding"](heard[:, BIG_FRAME - FRAME : -1]))
        hidden = layer["hidden_2"](layer["hidden_1"](tf.nn.relu(past + said)))
        return layer["levels"](hidden), States(upper, lower)

    def _loss(self, heard: Any, states: States) -> tuple[Any, States]:
        logits, states = self.logits(heard, states)
        losses = self._tf.nn.sparse_softmax_cross_entropy_with_logits(heard[:, BIG_FRAME:], logits)
        return self._tf.reduce_mean(losses), states

    def _learn_eagerly(self, heard: Any, states: States) -> tuple[Any, States]:
        with self._tf.GradientTape() as tape:
            loss, states = self._loss(heard, states)
        variables = [w for layer in self._layers.values() for w in layer.trainable_variables]
        self._optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss, states

    def learn(self, window: Any, states: States) -> tuple[Any, States]:
        """Bits a sample of a window, before a step of Adam on it, and the states after it."""
        loss, states = self._learn(window, states)
        return loss / np.log(2), states

    def bits(self, piece: np.ndarray) -> float:
        """How many bits a sample of this batch takes, on average."""
        states, losses = self.states(), []
        for window in windows(piece):
            loss, states = self._compare(window, states)
            losses.append(float(loss))
        return float(np.mean(losses) / np.log(2))

    def weights(self) -> Weights:
        """As :func:`continued` takes them."""
        found = {
            f"{name}.{number}": np.ascontiguousarray(weight)
            for name, layer in self._layers.items()
            for number, weight in enumerate(layer.get_weights())
        }
        # Embedding and convolution are one table of what each level says at each place.
        kernel, embedding = found.pop("past.0"), found.pop("embedding.0")
        found["past"] = np.einsum("le,feu->flu", embedding, kernel).astype(np.float32)
        return found


def train(network: Network, seconds: float, seed: int) -> None:
    """Learn for so many seconds of the processor, at a rate that falls to nothing as a cosine."""
    batches, highest = pieces("train", 0, network.n_rows, seed), network.rate()
    network.learn(next(windows(next(batches))), network.states())  # traced, in some seconds
    began, n_windows = time.process_time(), 0
    for piece in batches:
        states, bits = network.states(), []
        for window in windows(piece):
            share = min(1.0, (time.process_time() - began) / seconds)
            network.rate(highest * (0.5 + 0.5 * np.cos(np.pi * share)))
            found, states = network.learn(window, states)
            bits.append(float(found))
            n_windows += 1
            if share == 1.0:
                break
        hours = n_windows * network.n_rows * WINDOW / RATE_HZ / 3600
        print(
            f"{share:.0%}: {np.mean(bits):.3f} bits a sample, {hours:.2f} hours heard", flush=True
        )
        if share == 1.0:
            return


@numba.njit(fastmath=True)
def _sigmoid(x: np.ndarray) -> np.ndarray:
    return (1 / (1 + np.exp(-x))).astype(np.float32)


@numba.njit
def _gru(x, state, kernel, recurrent, bias):
    """One step of Keras's GRU."""
    units = state.shape[1]
    one = np.dot(x, kernel) + bias[0]
    two = np.dot(state, recurrent) + bias[1]
    update = _sigmoid(one[:, :units] + two[:, :units])
    reset = _sigmoid(one[:, units : 2 * units] + two[:, units : 2 * units])
    new = np.tanh(one[:, 2 * units :] + reset * two[:, 2 * units :])
    return (update * state + (1 - update) * new).astype(np.float32)


@numba.njit
def _dense(x, kernel, bias):
    return np.dot(x, kernel) + bias


@numba.njit
def _run(
    heard, first, drawn, n_logits,
    upper_in_w, upper_in_b, upper_w, upper_r, upper_b, upper_out_w, upper_out_b,
    lower_in_w, lower_in_b, lower_w, lower_r, lower_b, lower_out_w, lower_out_b,
    past, one_w, one_b, two_w, two_b, levels_w, levels_b,
):  # fmt: skip
    """Fill ``heard`` from sample ``first`` on; returns the last ``n_logits`` logits.

    ``drawn``: random numbers of [0, 1), one for each row and sample that is filled.
    """
    n_rows, length = heard.shape
    units = one_w.shape[0]
    upper = np.zeros((n_rows, units), np.float32)
    lower = np.zeros((n_rows, units), np.float32)
    from_upper = np.zeros((n_rows, BIG_FRAME // FRAME * units), np.float32)
    from_lower = np.zeros((n_rows, FRAME * units), np.float32)
    logits = np.zeros((n_rows, n_logits, N_LEVELS), np.float32)
    for now in range(BIG_FRAME, length):
        if now % BIG_FRAME == 0:
            frame = (heard[:, now - BIG_FRAME : now] / SILENT_LEVEL - 1.0).astype(np.float32)
            x = _dense(frame, upper_in_w, upper_in_b)
            upper = _gru(x, upper, upper_w, upper_r, upper_b)
            from_upper = _dense(upper, upper_out_w, upper_out_b)
        if now % FRAME == 0:
            place = now % BIG_FRAME // FRAME * units
            frame = (heard[:, now - FRAME : now] / SILENT_LEVEL - 1.0).astype(np.float32)
            x = _dense(frame, lower_in_w, lower_in_b) + from_upper[:, place : place + units]
            lower = _gru(x, lower, lower_w, lower_r, lower_b)
            from_lower = _dense(lower, lower_out_w, lower_out_b)
        if now < first and now < length - n_logits:
            continue
        place = now % FRAME * units
        x = from_lower[:, place : place + units].copy()
        for row in range(n_rows):
            for back in range(FRAME):
                x[row] += past[back, heard[row, now - FRAME + back]]
        x = np.maximum(x, np.float32(0))
        x = np.maximum(_dense(x, one_w, one_b), np.float32(0))
        x = np.maximum(_dense(x, two_w, two_b), np.float32(0))
        x = _dense(x, levels_w, levels_b)
        if now >= length - n_logits:
            logits[:, now - length + n_logits] = x
        if now >= first:
            for row in range(n_rows):
                likely = np.cumsum(np.exp(x[row] - x[row].max()))
                wanted = drawn[row, now - first] * likely[-1]
                heard[row, now] = min(np.searchsorted(likely, wanted), N_LEVELS - 1)
    return logits


def _all(weights: Weights) -> list[np.ndarray]:
    names = (
        "upper_in.0", "upper_in.1", "upper.0", "upper.1", "upper.2", "upper_out.0", "upper_out.1",
        "lower_in.0", "lower_in.1", "lower.0", "lower.1", "lower.2", "lower_out.0", "lower_out.1",
        "past", "hidden_1.0", "hidden_1.1", "hidden_2.0", "hidden_2.1", "levels.0", "levels.1",
    )  # fmt: skip
    return [weights[name] for name in names]


def continued(weights: Weights, prompts: np.ndarray, n_samples: int, seed: int) -> np.ndarray:
    """Levels ``(n_prompts, n)`` → ``n_samples`` more of each, drawn as likely."""
    prompts = prompts[:, prompts.shape[1] % BIG_FRAME :]
    first = prompts.shape[1]
    heard = np.pad(prompts, ((0, 0), (0, n_samples)))
    drawn = np.random.default_rng(seed).random((len(prompts), n_samples))
    # Products this small are done before other threads wake, and those wait at a whole core's cost.
    with threadpool_limits(1):
        _run(heard, first, drawn, 0, *_all(weights))
    return heard[:, first:]


def check_sampler(network: Network, weights: Weights, piece: np.ndarray) -> None:
    """See that what draws the samples says of known ones what the network that was trained says."""
    heard = piece[:, : BIG_FRAME + 8 * BIG_FRAME]
    expected = np.asarray(network.logits(network._tf.constant(heard), network.states())[0])
    found = _run(heard.copy(), heard.shape[1], np.zeros((1, 1)), 8 * BIG_FRAME, *_all(weights))
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())


if __name__ == "__main__":
    run_or_exit(main)
