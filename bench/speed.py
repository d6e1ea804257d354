"""How fast it is, beside the notebook's way and beside what the machine could do at most.

Run after `dvc repro`, on a machine with nothing else to do: `make bench`. A row is measured in a
process of its own, as a stage is. Within it the ways take turns, and the medians of their times are
compared: what else the machine does meets all alike. *Limit* is the work that cannot be left out,
done in the plainest way: decoding and FFTs, or as many floating-point operations in large matrix
products. It writes bench/results.md and bench/results.json; with ``--only``, these rows of them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import notebook_way  # type: ignore[import-not-found]
import numpy as np
import scipy.fft
import soundfile
from option_types import at_least  # type: ignore[import-not-found]
from threadpoolctl import threadpool_limits

from soundloom.audio.files import read_audio
from soundloom.common.errors import SoundloomError, run_or_exit
from soundloom.common.io import read_json, write_json, write_text
from soundloom.common.keras_setup import start_keras
from soundloom.common.paths import (
    FRAMES_FOLDER,
    GENERATED_FOLDER,
    GENERATOR_FOLDER,
    LISTEN_FILE,
    PAIRS_FOLDER,
    PARAMS_FILE,
    RAW_FOLDER,
    SPLIT_FILE,
)
from soundloom.config import Config
from soundloom.corpus.files import read_manifest, read_part, read_split
from soundloom.generation.continuation import continue_prompts, prompt_frames
from soundloom.pairs.files import PairsFolder
from soundloom.pairs.windows import index_windows
from soundloom.spectral.encoding import encode_clips, fit_codec
from soundloom.spectral.files import FrameFolder, LevelsAside

BENCH = Path(__file__).resolve().parent
RESULTS = BENCH / "results.json"
STAGES_FOLDER = BENCH.parent / "src" / "soundloom" / "stages"
WAYS = ("notebook", "here", "limit")
N_CLIPS = 4

Way = Callable[[], object]


@dataclass(frozen=True)
class Row:
    """A kind of work, and what each way takes for one unit of it."""

    work: str
    unit: str
    wall: Mapping[str, float]
    """Seconds of a clock by way."""
    processor: Mapping[str, float]
    """Seconds of all cores together, by way."""
    bytes: Mapping[str, float] = field(default_factory=dict)
    """What each way writes of it, where that is looked at."""
    seen: str = ""
    """On which machine, at which commit, how often repeated."""


def side_by_side(work: str, unit: str, ways: Mapping[str, tuple[Way, float]], repeats: int) -> Row:
    """Time each way in turn, ``repeats`` times; with each goes how many units it does.

    One more before these warms up: imports, compilations, files into memory. With no ``repeats`` it
    alone is timed.
    """
    wall: dict[str, list[float]] = {name: [] for name in ways}
    processor: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats + 1):
        for name, (way, units) in ways.items():
            began, used = time.perf_counter(), processor_seconds()
            way()
            wall[name].append((time.perf_counter() - began) / units)
            processor[name].append((processor_seconds() - used) / units)
    print(f"{work}: done", file=sys.stderr)
    first = min(1, repeats)
    of_clock, of_processor = (
        {name: median(times[first:]) for name, times in kind.items()} for kind in (wall, processor)
    )
    return Row(work, unit, of_clock, of_processor)


def processor_seconds() -> float:
    """Of this process and of those it waited for."""
    return sum(os.times()[:4])


def spectrograms(repeats: int) -> Row:
    """Clips → frames."""
    config, manifest = Config.load().spectrogram, read_manifest()
    clips, rate_hz = manifest.clips[:N_CLIPS], manifest.sample_rate_hz
    read = partial(_read, rate_hz)
    split = [segment for segment in read_split() if segment.clip in {clip.name for clip in clips}]

    def here() -> None:
        with tempfile.TemporaryDirectory() as folder:
            levels, frames = LevelsAside(Path(folder) / "levels"), FrameFolder(Path(folder))
            codec = fit_codec(read, clips, split, config, rate_hz, keep=levels.keep)
            encode_clips(read, clips, codec, frames.write, take=levels.take)

    def notebook() -> None:
        with tempfile.TemporaryDirectory() as folder:
            notebook_way.spectrogram(RAW_FOLDER / clips[0].file, Path(folder) / "clip.png")

    def limit() -> None:
        samples, _ = soundfile.read(RAW_FOLDER / clips[0].file, dtype="float32")
        windows = np.lib.stride_tricks.sliding_window_view(samples, config.n_fft)
        window = np.hanning(config.n_fft).astype(np.float32)
        spectra = scipy.fft.rfft(windows[:: config.hop_samples] * window)
        20 * np.log10(np.maximum(np.abs(spectra), 1e-10))

    ways: dict[str, tuple[Way, float]] = {
        "notebook": (notebook, 1),
        "here": (here, N_CLIPS),
        "limit": (limit, os.cpu_count() or 1),
    }
    return side_by_side("spectrogram", "clip", ways, repeats)


def windows(repeats: int) -> Row:
    """Frames → windows; and the bytes of a clip that each way writes, beside its frames'."""
    config, manifest = Config.load(), read_manifest()
    clip, frames = manifest.clips[0], FrameFolder(FRAMES_FOLDER)
    parts: tuple[Any, ...] = ("train", "validation", "test")
    bytes_written: dict[str, float] = {"limit": float(frames.read(clip.name).nbytes)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        notebook_way.spectrogram(RAW_FOLDER / clip.file, folder / "clip.png")

        def notebook() -> None:
            bytes_written["notebook"] = notebook_way.pairs(folder / "clip.png", folder)

        def here() -> None:
            clips = [one.name for one in manifest.clips]
            hop, segments = config.spectrogram.hop_samples, read_split()
            indices = {
                part: index_windows(segments, part, clips, hop, config.pairs) for part in parts
            }
            with tempfile.TemporaryDirectory() as own:
                PairsFolder(Path(own), frames.read).write(
                    clips, indices, window_frames=config.pairs.window_frames, format="npy"
                )
                size = sum(file.stat().st_size for file in Path(own).iterdir())
            bytes_written["here"] = bytes_written["limit"] + size / len(clips)

        def limit() -> None:
            np.save(folder / "frames.npy", frames.read(clip.name))

        ways: dict[str, tuple[Way, float]] = {
            "notebook": (notebook, 1),
            "here": (here, len(manifest.clips)),
            "limit": (limit, 1),
        }
        return replace(side_by_side("pairs", "clip", ways, repeats), bytes=bytes_written)


def training_as_wide(repeats: int) -> Row:
    """The notebook's LSTM(256) at its 4000 inputs; a window is 64 steps."""
    import keras

    from soundloom.models.config import ModelConfig
    from soundloom.models.lstm import Lstm

    rows = np.random.default_rng(0).random((notebook_way.PATCH + 256, notebook_way.N_INPUTS))
    rows = rows.astype(np.float32)
    theirs = notebook_way.network()
    own = {"model.name": "lstm", "model.lstm.units": notebook_way.UNITS}
    config: ModelConfig = Config.load().with_changes(own, "bench").model
    examples = list(notebook_way.batches(rows))
    both = [np.concatenate([inputs, outputs[:, -1:]], axis=1) for inputs, outputs in examples]

    class Windows:
        def epoch(self, number: int) -> Iterator[np.ndarray]:
            return iter(both)

    ours = Lstm.build(config, notebook_way.N_INPUTS, 43.0, Windows())  # type: ignore[arg-type]
    ours.network.compile(optimizer=keras.optimizers.Adam(0.001), loss=ours.loss)
    n_windows = len(examples) * notebook_way.BATCH
    operations = 6 * notebook_way.PATCH * n_weights(ours.network) * n_windows

    def fit(network: keras.Model) -> None:
        network.fit((one for one in examples), steps_per_epoch=len(examples), epochs=1, verbose=0)

    ways: dict[str, tuple[Way, float]] = {
        "notebook": (lambda: fit(theirs), n_windows),
        "here": (lambda: fit(ours.network), n_windows),
        "limit": (lambda: multiply(operations), n_windows),
    }
    return side_by_side("training, LSTM(256), 4000 inputs", "window", ways, repeats)


def training_default(repeats: int) -> Row:
    """The model that was trained here, on windows of its own."""
    from soundloom.models.files import load_generator, read_model_config

    model, _ = load_generator(GENERATOR_FOLDER)
    shape, frames = read_model_config(GENERATOR_FOLDER), FrameFolder(FRAMES_FOLDER)
    config = Config.load().train
    batches = PairsFolder(PAIRS_FOLDER, frames.read).batches(
        "train", batch_size=config.batch_size, seed=0
    )
    rng = np.random.default_rng(0)
    examples = [
        model.example(window, training=True, rng=rng) for window in islice(batches.epoch(0), 4)
    ]
    model.network.compile(optimizer="adam", loss=model.loss)
    n_steps = sum(example.targets.shape[0] * example.targets.shape[1] for example in examples)
    operations = 6 * n_weights(model.network) * n_steps

    def here() -> None:
        for example in examples:
            model.network.train_on_batch(example.inputs, example.targets)

    ways: dict[str, tuple[Way, float]] = {
        "here": (here, n_steps),
        "limit": (lambda: multiply(operations), n_steps),
    }
    return side_by_side(f"training, model.name {shape.name}", "step", ways, repeats)


def sampling(repeats: int) -> Row:
    """A step of a continuation; the notebook's is a frame."""
    from soundloom.models.files import load_generator

    model, codec = load_generator(GENERATOR_FOLDER)
    known = prompt_frames(codec, prompt(codec.sample_rate_hz))[None]
    config = Config.load()
    stack = 1 if config.model.name == "lstm" else config.model.latents.stack_frames
    theirs, rng = notebook_way.network(), np.random.default_rng(0)
    window = rng.random((notebook_way.PATCH, notebook_way.N_INPUTS)).astype(np.float32)
    kernels = [weight for weight in model.network.get_weights() if weight.ndim == 2]
    vectors = [np.ones(len(kernel), np.float32) for kernel in kernels]
    n_frames = 1000

    def sample(frames: int) -> None:
        model.sample(known, frames, temperature=1.0, rngs=[np.random.default_rng(0)])

    def here() -> None:
        with threadpool_limits(1):  # as a stage has it
            sample(n_frames)

    def limit() -> None:
        for _ in range(100):
            for kernel, vector in zip(kernels, vectors, strict=True):
                vector @ kernel

    ways: dict[str, tuple[Way, float]] = {
        "notebook": (lambda: notebook_way.step(theirs, window), 1),
        # The steps of the prompt are run over, too.
        "here": (here, (n_frames + known.shape[1]) / stack),
        "limit": (limit, 100),
    }
    return side_by_side("sampling", "step", ways, repeats)


def generating(n_clips: int, repeats: int) -> Row:
    """Prompts → continuations of 30 s, as samples."""
    from soundloom.models.files import load_generator

    model, codec = load_generator(GENERATOR_FOLDER)
    config = Config.load().with_changes({"generate.seconds": 30.0}, "bench").generate
    prompts = [prompt(codec.sample_rate_hz)] * n_clips
    n_frames = round(config.seconds * codec.frames_per_second)
    spectrum = np.ones((n_frames, codec.config.n_fft // 2 + 1), np.complex64)

    def limit() -> None:
        for _ in range(n_clips):
            for _ in range(codec.config.griffin_lim_iterations):
                scipy.fft.rfft(scipy.fft.irfft(spectrum))
            scipy.fft.irfft(spectrum)

    def here() -> None:
        with threadpool_limits(1):  # as a stage has it
            continue_prompts(model, codec, prompts, config)

    seconds = n_clips * config.seconds
    ways: dict[str, tuple[Way, float]] = {
        "here": (here, seconds),
        "limit": (limit, seconds),
    }
    clips = "clip" if n_clips == 1 else "clips"
    return side_by_side(f"generating, {n_clips} {clips}", "second of sound", ways, repeats)


def starting(repeats: int) -> Row:
    """A stage until its own work begins, beside the imports of what it is built on."""
    stages = sorted(file.stem for file in STAGES_FOLDER.glob("[!_]*.py"))
    begin = (
        "import sys; from importlib import import_module as get; sys.path.insert(0, 'src');"
        "from soundloom.config import Config; Config.load();"
        "get('soundloom.stages.' + sys.argv[1]);"
    )
    listing = begin + "print(*(name for name in sys.modules if not name.startswith('soundloom')))"
    imports = (
        "import sys; from importlib import import_module as get; from contextlib import suppress\n"
        "for name in sys.argv[1:]:\n with suppress(Exception): get(name)"
    )

    def python(*arguments: str) -> str:
        command = [sys.executable, "-c", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    libraries = {stage: python(listing, stage).split() for stage in stages}
    ways: dict[str, tuple[Way, float]] = {
        "here": (lambda: [python(begin, stage) for stage in stages], len(stages)),
        "limit": (lambda: [python(imports, *names) for names in libraries.values()], len(stages)),
    }
    return side_by_side("start", "stage", ways, repeats)


def judging(_: int) -> Row:
    """`reference` and `evaluate`, nothing heard before; the limit: recordings read and heard.

    Once, as it takes minutes: nothing is warm.
    """
    from soundloom.evaluation.comparison import STABILITY_HOP_SECONDS
    from soundloom.evaluation.features import hop_for
    from soundloom.evaluation.pretrained import load_tagger
    from soundloom.stages.reference import audio_of

    config, manifest, root = Config.load().evaluate, read_manifest(), Path.cwd()
    rate_hz = manifest.sample_rate_hz
    real = [audio_of(read_part(part), manifest) for part in ("train", "test")]
    generated = sorted((GENERATED_FOLDER / "samples").glob("*.wav"))

    def here() -> None:
        with tempfile.TemporaryDirectory() as name:
            for path in (PARAMS_FILE, RAW_FOLDER, SPLIT_FILE, FRAMES_FOLDER, GENERATED_FOLDER):
                (Path(name) / path).parent.mkdir(parents=True, exist_ok=True)
                (Path(name) / path).symlink_to(root / path)
            for stage in ("reference", "evaluate"):
                command = [sys.executable, str(root / "src/stage.py"), stage]
                subprocess.run(command, cwd=name, check=True, capture_output=True)

    def limit() -> None:
        tagger = load_tagger(config.ears)
        for recordings in real:
            audio = list(recordings.values())
            hop = hop_for([len(samples) / rate_hz for samples in audio], config.n_windows)
            for samples in audio:
                tagger(samples, rate_hz, hop)
        for file in generated:
            tagger(read_audio(file, rate_hz), rate_hz, STABILITY_HOP_SECONDS)

    ways: dict[str, tuple[Way, float]] = {"here": (here, 1), "limit": (limit, 1)}
    return side_by_side("reference, evaluate", "run", ways, 0)


def nothing_to_do(repeats: int) -> Row:
    """`dvc repro` when all is there, beside DVC's own start."""

    def run(*command: str) -> str:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    if run("dvc", "status", "--json").strip() != "{}":
        raise SoundloomError("something has changed since the last `dvc repro`: run it first")

    ways: dict[str, tuple[Way, float]] = {
        "here": (lambda: run("dvc", "repro"), 1),
        "limit": (lambda: run("dvc", "version"), 1),
    }
    return side_by_side("dvc repro, nothing to do", "run", ways, repeats)


def n_weights(network: Any) -> int:
    """Of the matrices, which a step multiplies by."""
    return sum(int(np.prod(weight.shape)) for weight in network.weights if len(weight.shape) == 2)


def multiply(operations: float) -> None:
    """As many floating-point operations in one large matrix product after another."""
    size = 1024
    a = np.ones((size, size), np.float32)
    for _ in range(max(1, round(operations / (2 * size**3)))):
        a @ a


def prompt(rate_hz: int) -> np.ndarray:
    """The first prompt of the last `dvc repro`."""
    return read_audio(GENERATED_FOLDER / "prompts" / "prompt_00.wav", rate_hz)


def _read(rate_hz: int, clip: Any) -> np.ndarray:
    return read_audio(RAW_FOLDER / clip.file, rate_hz)


ROWS: dict[str, Callable[[int], Row]] = {
    "nothing-to-do": nothing_to_do,
    "spectrogram": spectrograms,
    "pairs": windows,
    "lstm": training_as_wide,
    "density": training_default,
    "sampling": sampling,
    "generating": partial(generating, 1),
    "generating-16": partial(generating, 16),
    "judging": judging,
    "starting": starting,
}


def as_table(rows: Sequence[Row]) -> str:
    """Markdown."""
    seen = {row.seen: [other.work for other in rows if other.seen == row.seen] for row in rows}
    usual = max(seen, key=lambda where: len(seen[where]))
    others = [f"{'; '.join(works)}: {where}" for where, works in seen.items() if where != usual]
    lines = [
        "# Speed",
        "",
        f"`python bench/speed.py` on {usual}. Wall time of a unit (processor time), medians.",
        *(f"\nBut {other}." for other in others),
        "",
        "| work | unit | the notebook's way | here | limit | times the notebook | of the limit |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        cells = [
            f"{_time(row.wall[way])} ({_time(row.processor[way])})" if way in row.wall else "–"
            for way in WAYS
        ]
        faster = "–"
        if "notebook" in row.wall:
            faster = f"{row.wall['notebook'] / row.wall['here']:,.0f} ×"
        slower = f"{row.wall['here'] / row.wall['limit']:.2f} ×"
        lines.append(f"| {' | '.join([row.work, row.unit, *cells, faster, slower])} |")
    for row in rows:
        if row.bytes:
            sizes = {way: f"{size / 1e6:.2f} MB" for way, size in row.bytes.items()}
            lines += [
                "",
                f"Bytes of a clip's windows: the notebook {sizes['notebook']}, here "
                f"{sizes['here']} with its frames, which are {sizes['limit']}. The listening page: "
                f"{LISTEN_FILE.stat().st_size / 1e6:.1f} MB.",
            ]
    lines.append("")
    return "\n".join(lines)


def _time(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=at_least(1), default=5)
    parser.add_argument(
        "--only",
        nargs="+",
        choices=ROWS,
        metavar="ROW",
        help="measure these anew, of: %(choices)s",
    )
    parser.add_argument("--row", choices=ROWS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.row:
        config = Config.load()
        start_keras(config.train.seed, config.train.threads)
        print(json.dumps(asdict(ROWS[arguments.row](arguments.repeats))))
        return
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()
    cores = f"{os.cpu_count()} cores of {processor()}"
    seen = f"{cores}, with `--repeats {arguments.repeats}`, commit {commit}"
    # The first says so where there is something to do.
    names = [name for name in ROWS if name in (arguments.only or ROWS)]
    found = {name: replace(measured(name, arguments.repeats), seen=seen) for name in names}
    known = {name: Row(**row) for name, row in read_json(RESULTS)["rows"].items()}
    rows = {name: row for name in ROWS if (row := found.get(name, known.get(name)))}
    write_json(RESULTS, {"rows": {name: asdict(row) for name, row in rows.items()}})
    table = as_table(list(rows.values()))
    write_text(RESULTS.with_suffix(".md"), table)
    print(table)


def measured(name: str, repeats: int) -> Row:
    """A row, by a process that has done nothing else."""
    command = [sys.executable, __file__, "--row", name, "--repeats", str(repeats)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)
    return Row(**json.loads(done.stdout.splitlines()[-1]))


def processor() -> str:
    """Its name, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    run_or_exit(main)
