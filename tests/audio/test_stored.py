"""Samples that lie in a file, against arrays; and where there is no room for them."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from recordings import music
from soundloom.audio import stored
from soundloom.audio.files import decode_file, read_audio
from soundloom.audio.samples import within_full_scale
from soundloom.audio.stored import StoredSamples
from soundloom.common.channels import in_channels
from soundloom.common.errors import SoundloomError, UnusableAudio

LENGTHS = st.lists(st.integers(0, 40), max_size=5)


@given(
    channels=st.integers(1, 2),
    most_bytes=st.sampled_from([1, 100, 1 << 20]),
    lengths=LENGTHS,
    other_lengths=LENGTHS,
    data=st.data(),
)
def test_what_is_stored_is_read_summed_and_scaled_as_arrays_are(
    channels: int,
    most_bytes: int,
    lengths: list[int],
    other_lengths: list[int],
    data: st.DataObject,
) -> None:
    rng = np.random.default_rng(0)

    def store(lengths: list[int]) -> tuple[StoredSamples, np.ndarray]:
        pieces = [rng.normal(0, 0.7, length).astype(np.float32) for length in lengths]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(stored, "MOST_IN_MEMORY_BYTES", most_bytes)
            kept = StoredSamples(channels)
        for piece in pieces:
            kept.append(piece)
            kept.append(np.ones(7, np.float32))
            kept.cut(len(kept) - 7)
        whole = np.concatenate([np.zeros(0, np.float32), *pieces])
        return kept, in_channels(whole, channels)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored, "PIECE_SAMPLES", 16)
        (longer, array), (shorter, other) = sorted(
            [store(lengths), store(other_lengths)], key=lambda both: -len(both[0])
        )
        longer.add(shorter)
        array[: len(other)] += other
        np.testing.assert_array_equal(longer[:], array)
        longer.keep_within_full_scale()
    assert len(longer) == len(array)
    start, stop = (data.draw(st.integers(-50, 250)) for _ in range(2))
    np.testing.assert_array_equal(longer[start:stop], within_full_scale(array)[start:stop])
    assert longer[:].dtype == np.float32


@pytest.mark.parametrize("said", [True, False])
def test_a_full_disk_is_no_fault_of_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: bool
) -> None:
    """Which would be left out for it."""
    path, folders = tmp_path / "long.wav", []

    def refuse(*_: Any, **options: Any) -> NoReturn:
        folders.append(options["dir"])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    soundfile.write(path, music(1, 8_000), 8_000)
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.delenv(name, raising=False)
    if said:
        monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    monkeypatch.setattr(stored, "MOST_IN_MEMORY_BYTES", 1_000)
    with pytest.raises(SoundloomError, match="No space left on device; long recordings") as raised:
        decode_file(path, 8_000)
    assert not isinstance(raised.value, UnusableAudio)
    assert str(raised.value).startswith(f"{tmp_path if said else '/var/tmp'}: cannot be written")
    assert folders == [None if said else "/var/tmp"]
    assert len(read_audio(path, 8_000)) == 8_000  # a clip of ours, wanted in memory
