"""Model folders that something is wrong with: damaged, foreign, swapped, of wrong shapes and types.

``bench/hostile_models.py`` tries thousands, ``tests/models/test_hostile_models.py`` a few.
"""

from __future__ import annotations

import functools
import json
import os
import pickle
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from params import small_config
from recordings import music
from small_models import RATE_HZ, built, model_config, small_codec, trained_once, whole_config
from soundloom.common.errors import SoundloomError
from soundloom.common.io import SUMS_FILE, write_sums

CODEC, MODEL, ARRAYS, WEIGHTS = "codec.json", "model.json", "arrays.npz", "network.weights.h5"
PARTS = (CODEC, MODEL, ARRAYS, WEIGHTS)
NAMES = ("density", "tokens", "lstm")
SECONDS = 0.2
Damage = Callable[[Path, np.random.Generator], None]


@functools.cache
def folders() -> dict[str, Path]:
    """Whole folders of small models, by name; those not in ``NAMES`` are to swap with."""
    from soundloom.models.files import save_generator

    made = Path(tempfile.mkdtemp(prefix="soundloom-models-"))
    wider = model_config("density", backbone__units=25, latents__n_latents=11)
    models = {name: (trained_once(name)[0], whole_config(name)) for name in NAMES}
    for name, (model, config) in {**models, "wider": (built(wider), wider)}.items():
        (made / name).mkdir()
        save_generator(made / name, model, small_codec(), config)
    shutil.copytree(made / "density", made / "other")
    with h5py.File(made / "other" / WEIGHTS, "r+") as file:
        for dataset in datasets(file):
            dataset[...] *= 2.0
    write_sums_anew(made / "other")
    for name, key, value in (("rate", "sample_rate_hz", 32_000), ("bins", "n_mels", 25)):
        shutil.copytree(made / "density", made / name)
        document = json.loads((made / name / CODEC).read_text())
        (document if key in document else document["config"])[key] = value
        (made / name / CODEC).write_text(json.dumps(document))
        write_sums_anew(made / name)
    return {folder.name: folder for folder in made.iterdir()}


def datasets(file: Any) -> list[Any]:
    """All datasets of an HDF5 file."""
    found: list[Any] = []
    file.visititems(lambda _, item: found.append(item) if isinstance(item, h5py.Dataset) else None)
    return found


def write_sums_anew(folder: Path) -> None:
    """As somebody would who means harm, or does not know better."""
    (folder / SUMS_FILE).unlink(missing_ok=True)
    write_sums(folder)


def judge(folder: Path) -> str:
    """Load a folder and continue a prompt: ``accepted`` or ``refused``.

    Whatever else comes of it is raised: an error that is none of ours, words that do not say which
    file, or audio that is not finite or not as long as was asked for.
    """
    from soundloom.generation.continuation import continue_prompts
    from soundloom.models.files import load_generator

    config = small_config().generate.model_copy(update={"seconds": SECONDS, "threads": 1})
    try:
        model, codec = load_generator(folder)
        prompt = music(1, RATE_HZ)[: codec.sample_rate_hz]
        (made,) = continue_prompts(model, codec, [prompt], config)
    except SoundloomError as error:
        said = str(error)
        named = any(str(folder / name) in said for name in (*PARTS, SUMS_FILE))
        assert named or said.startswith("the trained model draws frames that are NaN"), said
        assert "\n" not in said, said
        assert len(said) < 700, said
        return "refused"
    assert np.isfinite(made.samples).all()
    assert len(made.samples) == config.n_samples_long
    return "accepted"


def damaged(name: str, damage: Damage, seed: int, folder: Path, *, sums_anew: bool) -> None:
    """A copy of a whole folder, damaged at random; with ``sums_anew``, by somebody thorough."""
    shutil.copytree(folders()[name], folder)
    damage(folder, np.random.default_rng(seed))
    if sums_anew:
        for file in folder.iterdir():
            assert file.is_file(), "sums are of files"
        write_sums_anew(folder)


def one_of(rng: np.random.Generator, things: Any) -> Any:
    """Any of them."""
    return things[int(rng.integers(len(things)))]


# What may befall any file.


def truncated(folder: Path, rng: np.random.Generator) -> None:
    file = folder / one_of(rng, PARTS)
    file.write_bytes(file.read_bytes()[: int(rng.integers(file.stat().st_size))])


def flipped(folder: Path, rng: np.random.Generator) -> None:
    file = folder / one_of(rng, PARTS)
    data = bytearray(file.read_bytes())
    for _ in range(int(rng.integers(1, 9))):
        data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    file.write_bytes(data)


def overwritten(folder: Path, rng: np.random.Generator) -> None:
    file = folder / one_of(rng, PARTS)
    data = bytearray(file.read_bytes())
    start, length = int(rng.integers(len(data))), int(rng.integers(1, 2000))
    data[start : start + length] = rng.bytes(length)
    file.write_bytes(data)


def foreign(folder: Path, rng: np.random.Generator) -> None:
    """Another file altogether, also one that would do harm where it is trusted."""
    contents: list[bytes] = [
        b"", b"\0", b"\x93NUMPY", b"\x89HDF\r\n\x1a\n", b"PK\5\6" + bytes(18), b"\xff\xfe{}",
        b"null", b"[]", b"{}", b"[" * 100_000, b'{"config": {}}', b"RIFF\0\0\0\0WAVEfmt ",
        pickle.dumps({"a": np.zeros(3)}), pickle.dumps(os.getcwd), rng.bytes(5000), b"\n" * 5000,
        b"NaN", b"1e999", b"9" * 5000, b'"\\ud800"',
        *((folders()[name] / file).read_bytes() for name in NAMES for file in PARTS),
    ]  # fmt: skip
    (folder / one_of(rng, PARTS)).write_bytes(one_of(rng, contents))


def swapped(folder: Path, rng: np.random.Generator) -> None:
    """A file of another model, or of the same kind trained otherwise."""
    name = one_of(rng, PARTS)
    shutil.copy(one_of(rng, list(folders().values())) / name, folder / name)


def exchanged(folder: Path, rng: np.random.Generator) -> None:
    """Two of its files under each other's names."""
    first, second = rng.choice(PARTS, 2, replace=False)
    contents = (folder / first).read_bytes()
    shutil.copy(folder / second, folder / first)
    (folder / second).write_bytes(contents)


def missing(folder: Path, rng: np.random.Generator) -> None:
    """No file, or something else where it was."""
    file = folder / one_of(rng, (*PARTS, SUMS_FILE))
    file.unlink()
    match int(rng.integers(4)):
        case 0:
            file.mkdir()
        case 1:
            file.symlink_to(file)
        case 2:
            os.mkfifo(file)


def sums_damaged(folder: Path, rng: np.random.Generator) -> None:
    file = folder / SUMS_FILE
    file.write_bytes(one_of(rng, [b"", rng.bytes(400), file.read_bytes()[:-1].upper()]))


ANYTHING: tuple[Damage, ...] = (truncated, flipped, overwritten, foreign, swapped, exchanged)
UNSUMMED: tuple[Damage, ...] = (missing, sums_damaged)


# Files that are whole, and hold something else than they must.


def array_changed(folder: Path, rng: np.random.Generator) -> None:
    with np.load(folder / ARRAYS) as archive:
        arrays = dict(archive)
    name = one_of(rng, sorted(arrays))
    array = arrays[name]
    changes: list[Callable[[], Any]] = [
        lambda: None,
        lambda: array[..., None],
        lambda: array.reshape(-1)[:-1],
        lambda: array.reshape(-1)[:0],
        lambda: np.concatenate([array.reshape(-1)] * 2),
        lambda: array.T.copy() if array.ndim > 1 else array.reshape(1, -1),
        lambda: np.float32(1.0),
        lambda: array.astype(np.int64),
        lambda: array.astype(np.complex64),
        lambda: array > 0,
        lambda: array.astype(str),
        lambda: np.full(array.shape, np.nan, np.float32),
        lambda: np.full(array.shape, np.inf, np.float32),
        lambda: np.full(array.shape, 3e38, np.float32),
        lambda: np.full(array.shape, -3e38, np.float32),
        lambda: np.zeros(array.shape, np.float32),
        lambda: array.astype(np.float16),
        lambda: array.astype(">f8"),
        lambda: rng.normal(0, 100, array.shape).astype(np.float32),
    ]
    changed = one_of(rng, changes)()
    arrays.pop(name)
    if changed is not None:
        arrays[one_of(rng, [name] * 9 + ["another"])] = changed
    np.savez(folder / ARRAYS, **arrays)


def array_bomb(folder: Path, rng: np.random.Generator) -> None:
    """A few bytes that claim to be more than there is memory for, or hold what they must not."""
    with np.load(folder / ARRAYS) as archive:
        arrays = dict(archive)
    name = one_of(rng, sorted(arrays))
    objects = np.array([{"a": 1}], dtype=object)
    with zipfile.ZipFile(folder / ARRAYS, "w", zipfile.ZIP_DEFLATED) as bomb:
        for other, array in arrays.items():
            with bomb.open(f"{other}.npy", "w") as file:
                if other != name:
                    np.lib.format.write_array(file, array, version=(1, 0))
                    continue
                match int(rng.integers(4)):
                    case 0:
                        _write_header(file, (10**7, 10**6))
                    case 1:  # right but for what follows
                        _write_header(file, array.shape)
                        file.write(bytes(20_000_000))
                    case 2:
                        np.lib.format.write_array(file, objects, allow_pickle=True)
                    case 3:
                        _write_header(file, array.shape)


def _write_header(file: Any, shape: tuple[int, ...]) -> None:
    document = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, document)


def weight_changed(folder: Path, rng: np.random.Generator) -> None:
    with h5py.File(folder / WEIGHTS, "r+") as file:
        name = one_of(rng, datasets(file)).name
        weight = file[name][()]
        del file[name]
        changes: list[Callable[[], Any]] = [
            lambda: None,
            lambda: weight[..., None],
            lambda: weight.reshape(-1)[:-1],
            lambda: np.zeros((0,), np.float32),
            lambda: np.full(weight.shape, np.nan, np.float32),
            lambda: np.full(weight.shape, -np.inf, np.float32),
            lambda: np.full(weight.shape, 3e38, np.float32),
            lambda: rng.normal(0, 1e6, weight.shape).astype(np.float32),
            lambda: weight.astype(np.int32),
            lambda: weight.astype("S8"),
            lambda: weight.astype(np.float64),
            lambda: "text",
        ]
        changed = one_of(rng, changes)()
        if changed is not None:
            file[name] = changed


def weights_rearranged(folder: Path, rng: np.random.Generator) -> None:
    """Groups gone or linked elsewhere, or a dataset that claims to be huge."""
    with h5py.File(folder / WEIGHTS, "r+") as file:
        groups = ["layers", *(f"layers/{name}" for name in file["layers"])]
        name = one_of(rng, groups)
        match int(rng.integers(4)):
            case 0:
                del file[name]
            case 1:
                file.move(name, f"{name}_else")
            case 2:
                del file[name]
                file[name] = h5py.ExternalLink("/etc/passwd", "/")
            case 3:
                group = file[name].create_group("vars") if "vars" not in file[name] else None
                group = file[name]["vars"] if group is None else group
                group.pop("0", None)
                group.create_dataset("0", shape=(10**6, 10**6), dtype="f4", chunks=(1000, 1000))


VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1, 2, 3, 0.5, 1e308, float("nan"), float("inf"), 10**30, "", "x" * 10_000,
    "lstm", "tokens", "density", "stft", "mel", "log1p", "per_bin", [], {}, [1.0], [[]], {"a": 1},
    ["style"], [1e30], [float("nan")], [-1e30], "\ud83d",
)  # fmt: skip


def json_changed(folder: Path, rng: np.random.Generator) -> None:
    """A key of the codec's or the model's document gone, new, or of another value."""
    file = folder / one_of(rng, (CODEC, MODEL))
    document = json.loads(file.read_text())
    places = [(document, key) for key in document]
    for holder, key in places:
        if isinstance(holder[key], dict):
            places += [(holder[key], inner) for inner in holder[key]]
    holder, key = one_of(rng, places)
    match int(rng.integers(8)):
        case 0:
            del holder[key]
        case 1:
            holder["another"] = 1
        case _:
            holder[key] = one_of(rng, VALUES)
    file.write_text(json.dumps(document))


THOROUGH: tuple[Damage, ...] = (
    array_changed, array_bomb, weight_changed, weights_rearranged, json_changed,
)  # fmt: skip
