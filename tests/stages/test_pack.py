"""The last stage of the base's own pipeline."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from params import write_params
from small_models import RATE_HZ, built, small_codec, whole_config
from soundloom.common.io import write_text
from soundloom.common.paths import BASE_FOLDER, GENERATOR_FOLDER, RAW_FOLDER, SPLIT_FILE
from soundloom.corpus.files import write_manifest, write_split
from soundloom.corpus.manifest import Clip, Manifest
from soundloom.corpus.split import Part, Segment
from soundloom.stages import pack

FLOATS = st.floats(-(2.0**100), 2.0**100, width=32).filter(lambda x: x == 0.0 or abs(x) > 2.0**-100)


@given(FLOATS)
def test_half_precision_is_eleven_bits(value: float) -> None:
    exact = np.array([value], np.float32)
    rounded = pack.in_half_precision(exact)
    assert abs(rounded - exact) <= abs(exact) * 2.0**-11
    assert pack.in_half_precision(rounded) == rounded
    assert rounded.view(np.uint32)[0] % 2**12 == 0


@pytest.mark.slow
def test_the_model_and_what_it_has_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, pipeline = whole_config("density"), tmp_path / "base"
    model = built(config)
    from soundloom.models.files import load_generator, save_generator

    (pipeline / GENERATOR_FOLDER).mkdir(parents=True)
    save_generator(pipeline / GENERATOR_FOLDER, model, small_codec(), config)
    write_params(pipeline)
    monkeypatch.chdir(pipeline)
    length = 30 * 60 * RATE_HZ
    names = ["band-music/one.ogg", "band-music/two.ogg", "other-music/one.ogg"]
    clips = [
        Clip(f"music/{number}.wav", name, 0, length, None, licence, "")
        for number, (name, licence) in enumerate(
            zip(names, ["GPL-2+", "GPL-2+", None], strict=True)
        )
    ]
    write_manifest(RAW_FOLDER / "manifest.json", Manifest("debian", "music", RATE_HZ, (*clips,)))
    write_text(RAW_FOLDER / "licences" / "band-music.txt", "may be copied")
    parts: tuple[Part, ...] = ("train", "train", "validation")
    write_split(
        SPLIT_FILE,
        [Segment(c.name, 0, length, part) for c, part in zip(clips, parts, strict=True)],
    )

    pack.main()

    packed = BASE_FOLDER
    again, _ = load_generator(packed)
    for name, array in model.arrays().items():
        np.testing.assert_allclose(again.arrays()[name], array, rtol=2.0**-11)
    for weight, exact in zip(again.network.get_weights(), model.network.get_weights(), strict=True):
        np.testing.assert_allclose(weight, exact, rtol=2.0**-11)
    before, after = (
        len(gzip.compress((folder / "arrays.npz").read_bytes()))
        for folder in (pipeline / GENERATOR_FOLDER, packed)
    )
    assert after < 0.75 * before
    table = (packed / "README.md").read_text(encoding="utf-8")
    assert (
        "on the music of these packages, 1.0 hours; those marked as\nvalidation, 0.5 hours" in table
    )
    assert (
        "| band-music | 2 | 60.0 | GPL-2+ |\n| other-music (validation) | 1 | 30.0 | unknown |"
        in table
    )
    assert (packed / "licences" / "band-music.txt").read_text(encoding="utf-8") == "may be copied"
