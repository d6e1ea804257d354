"""From recordings to clip files: what is kept, in which order, and when it is too little."""

from __future__ import annotations

import hashlib
import shutil
import time
import tracemalloc
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import soundfile

from recordings import encoded, encoded_by_ffmpeg, music, write_recording
from soundloom.audio import files
from soundloom.audio.containers import Tags
from soundloom.audio.files import (
    Decoded,
    decode_file,
    decode_stems,
    decode_tagged,
    read_audio,
)
from soundloom.cache.files import Cache
from soundloom.common.channels import in_channels
from soundloom.common.errors import SoundloomError, UnusableAudio
from soundloom.config import Config
from soundloom.corpus.files import read_manifest, write_manifest
from soundloom.corpus.manifest import Note, Rejected
from soundloom.ingest.collection import Collection, Recording
from soundloom.ingest.config import DatasetConfig
from soundloom.ingest.gathering import gather
from soundloom.ingest.outcome import cut_before

RATE_HZ = 8_000


pytestmark = pytest.mark.usefixtures("threads_for_processes")


@pytest.fixture
def dataset(config: Config) -> DatasetConfig:
    changes = {"sample_rate_hz": RATE_HZ, "clip_seconds": 2.0, "min_clip_seconds": 1.0}
    return config.dataset.model_copy(update=changes)


def load(
    samples: np.ndarray, delay_seconds: float, sample_rate_hz: int, channels: int = 1
) -> Decoded:
    assert sample_rate_hz == RATE_HZ
    time.sleep(delay_seconds)
    return Decoded(in_channels(samples, channels))


def load_tagged(samples: np.ndarray, tags: Tags, sample_rate_hz: int, channels: int = 1) -> Decoded:
    return Decoded(samples, tags=tags)


def refuse(sample_rate_hz: int, channels: int = 1) -> Decoded:
    raise UnusableAudio("/somewhere/else.wav", "scratched")


def load_file(file: Path, loaded: list[str], sample_rate_hz: int, channels: int = 1) -> Decoded:
    loaded.append(file.name)
    return decode_tagged(file, sample_rate_hz, channels)


def recording(
    name: str, seconds: float, seed: int = 0, delay: float = 0, **known: Any
) -> Recording:
    return Recording(name, partial(load, music(seconds, RATE_HZ, seed), delay), **known)


def test_clips_are_the_recordings_cut_in_order_of_name_and_time(
    dataset: DatasetConfig, tmp_path: Path
) -> None:
    two = recording("b", 3.5, 2, artist="B & Co", licence="CC0", truth={"tempo": 120.0})
    manifest = gather(Collection((two, recording("a", 4.5, 1))), dataset, tmp_path)

    assert [(clip.file, clip.recording, clip.offset_samples) for clip in manifest.clips] == [
        ("rock/rock.00000.wav", "a", 0),
        ("rock/rock.00001.wav", "a", 16_000),
        ("rock/rock.00002.wav", "b", 0),
        ("rock/rock.00003.wav", "b", 16_000),
    ]
    assert [clip.n_samples for clip in manifest.clips] == [16_000, 16_000, 16_000, 12_000]
    last = manifest.clips[-1]
    assert (last.artist, last.licence, last.truth) == ("B & Co", "CC0", {"tempo": 120.0})
    assert last.name == "rock.00003"
    for clip in manifest.clips:
        path = tmp_path / clip.file
        samples, rate_hz = soundfile.read(path, dtype="float32")
        whole = music(4.5, RATE_HZ, 1) if clip.recording == "a" else music(3.5, RATE_HZ, 2)
        start = clip.offset_samples
        assert rate_hz == RATE_HZ
        np.testing.assert_allclose(samples, whole[start : start + clip.n_samples], atol=1e-4)
        assert hashlib.sha256(path.read_bytes()).hexdigest() == clip.sha256
    assert sorted(path.name for path in (tmp_path / "rock").iterdir()) == [
        f"rock.{number:05d}.wav" for number in range(4)
    ]


def test_an_artist_is_the_tags_or_else_the_folders(dataset: DatasetConfig, tmp_path: Path) -> None:
    def offer(name: str, seed: int, tags: Tags) -> Recording:
        return Recording(name, partial(load_tagged, music(2, RATE_HZ, seed), tags), "Folder")

    offered = (offer("a", 1, Tags("Tag", "Song")), offer("b", 2, Tags(None, "Other")))
    manifest = gather(Collection((*offered, offer("c", 3, Tags()))), dataset, tmp_path)
    assert [(clip.artist, clip.title) for clip in manifest.clips] == [
        ("Tag", "Song"), ("Folder", "Other"), ("Folder", None),
    ]  # fmt: skip
    write_manifest(tmp_path / "manifest.json", manifest)
    assert read_manifest(tmp_path / "manifest.json") == manifest
    assert (tmp_path / "manifest.json").read_text().count('"title"') == 2  # and none that is null


def write_minutes(path: Path, minute: np.ndarray, n_minutes: int, last_gain: float = 1.0) -> Path:
    """A recording that is the same minute over and over, the last one at another level."""
    with soundfile.SoundFile(path, "w", RATE_HZ, 1, "PCM_16") as file:
        for number in range(n_minutes):
            file.write(minute * (last_gain if number == n_minutes - 1 else 1.0))
    return path


@pytest.mark.parametrize("is_in_stems", [False, True])
def test_of_a_long_recording_only_a_piece_is_ever_in_memory(
    dataset: DatasetConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_in_stems: bool
) -> None:
    """Though only its end says how loud it is."""
    n_minutes = 40
    one, other = (
        np.tile(gain * music(4, RATE_HZ, seed), 15) for gain, seed in ((0.5, 1), (0.8, 2))
    )
    mix, last = one, 2 * one
    load = partial(decode_file, write_minutes(tmp_path / "a.wav", one, n_minutes, 2.0))
    if is_in_stems:
        stems = [tmp_path / "a.wav", write_minutes(tmp_path / "b.wav", other, n_minutes)]
        load = partial(decode_stems, stems)
        mix, last = one + other, 2 * one + other
        assert np.abs(mix).max() < np.abs(last).max() - 0.1
    peak = max(1.0, float(np.abs(last).max()))
    monkeypatch.setattr(files, "BLOCK_VALUES", 1 << 16)
    dataset = dataset.model_copy(update={"clip_seconds": 60.0, "min_clip_seconds": 60.0})

    tracemalloc.start()
    manifest = gather(Collection((Recording("long", load),)), dataset, tmp_path / "raw")
    most_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert len({clip.sha256 for clip in manifest.clips[:-1]}) == 1
    assert [clip.offset_samples for clip in manifest.clips] == [
        number * 60 * RATE_HZ for number in range(n_minutes)
    ]
    for clip, expected in ((manifest.clips[0], mix), (manifest.clips[-1], last)):
        samples, _ = soundfile.read(tmp_path / "raw" / clip.file, dtype="float32")
        np.testing.assert_allclose(samples, expected / peak, atol=1e-4)
    assert most_bytes < 0.75 * n_minutes * one.nbytes


def test_of_a_recording_that_is_damaged_further_on_nothing_is_written(
    dataset: DatasetConfig, tmp_path: Path
) -> None:
    content = encoded(music(60, RATE_HZ), RATE_HZ, "FLAC", "PCM_16")
    (tmp_path / "cut.flac").write_bytes(content[: len(content) * 9 // 10])
    damaged = Recording("cut", partial(decode_file, tmp_path / "cut.flac"))
    manifest = gather(Collection((damaged, recording("good", 4))), dataset, tmp_path / "raw")
    [rejected] = manifest.rejected
    assert rejected.reason.startswith("cannot be read as audio (flac decoder")
    assert len(list((tmp_path / "raw").rglob("*"))) == 1 + 2  # the folder; the good one's clips


def test_neither_order_nor_parallelism_shows_in_the_result(
    dataset: DatasetConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The first to be asked for are the last to be done.
    offered = [recording(f"{i}", 2.5, seed=i % 4, delay=0.2 - 0.04 * i) for i in range(6)]
    results = []
    for n_workers, order in ((1, offered), (4, offered[::-1])):
        monkeypatch.setattr(joblib, "cpu_count", lambda n=n_workers: n)
        folder = tmp_path / str(n_workers)
        manifest = gather(Collection(tuple(order)), dataset, folder)
        files = {path.name: path.read_bytes() for path in folder.rglob("*.wav")}
        results.append((manifest, files))
    assert results[0] == results[1]
    assert len(results[0][1]) == 4  # the other two are replicas


def test_worker_processes_of_an_earlier_run_elsewhere_write_to_the_right_folder(
    dataset: DatasetConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joblib, "cpu_count", lambda: 2)
    files = {
        name: write_recording(tmp_path / f"{name}.wav", music(4, RATE_HZ, seed), RATE_HZ)
        for seed, name in enumerate("ab")
    }
    offered = Collection(
        tuple(Recording(name, partial(decode_file, file)) for name, file in files.items())
    )
    with joblib.parallel_config(backend="loky"):
        for name in ("first", "second"):
            (tmp_path / name).mkdir()
            monkeypatch.chdir(tmp_path / name)
            assert len(gather(offered, dataset, Path("raw")).clips) == 4
            assert len(list((tmp_path / name).rglob("*.wav"))) == 4


def test_of_equal_recordings_the_first_by_name_is_kept(
    dataset: DatasetConfig, tmp_path: Path
) -> None:
    offered = (recording("c", 5, 1), recording("a", 5, 1), recording("b", 5, 2))
    manifest = gather(Collection(offered), dataset, tmp_path)
    assert {clip.recording for clip in manifest.clips} == {"a", "b"}
    assert manifest.rejected == (Rejected("c", "exact replica of a"),)


@pytest.mark.parametrize(("container", "subtype"), [("WAV", "FLOAT"), ("MP3", "MPEG_LAYER_III")])
@pytest.mark.parametrize("share", [0.3, 0.55, 0.9])
def test_of_a_recording_and_its_copy_that_was_cut_short_the_whole_one_is_kept(
    dataset: DatasetConfig, tmp_path: Path, container: str, subtype: str, share: float
) -> None:
    """Or the same audio would be in two parts of the split."""
    song = 0.7 * music(6, RATE_HZ)
    song[-RATE_HZ:] *= 1.9  # beyond full scale: the whole one is turned down, what is cut is not
    whole = encoded(song, RATE_HZ, container, subtype)
    offered = {"a cut": whole[: int(share * len(whole))], "b whole": whole}
    for name, content in offered.items():
        (tmp_path / name).write_bytes(content)
    recordings = [Recording(name, partial(decode_file, tmp_path / name)) for name in offered]
    manifest = gather(Collection(tuple(recordings)), dataset, tmp_path / "raw")
    assert {clip.recording for clip in manifest.clips} == {"b whole"}
    assert manifest.rejected == (Rejected("a cut", "shares audio with b whole"),)
    assert len(list((tmp_path / "raw").rglob("*.wav"))) == len(manifest.clips) == 3


def test_each_recording_left_out_is_listed_with_its_reason_and_no_path(
    dataset: DatasetConfig, tmp_path: Path
) -> None:
    silent_but_for_the_end = np.zeros(5 * RATE_HZ - 1, dtype=np.float32)
    silent_but_for_the_end[-100:] = music(1, RATE_HZ)[:100]
    offered = (
        recording("good", 4),
        recording("short", 0.99),
        Recording("silent", partial(load, np.zeros(5 * RATE_HZ, dtype=np.float32), 0)),
        Recording("ends loud", partial(load, silent_but_for_the_end, 0)),
        Recording("scratched", refuse),
    )
    manifest = gather(Collection(offered, (Rejected("x.m4a", "no"),)), dataset, tmp_path)
    assert manifest.rejected == (
        Rejected("ends loud", "silent but for a remainder too short for a clip"),
        Rejected("scratched", "scratched"),
        Rejected("short", "0.99 s long; it must be at least dataset.min_clip_seconds (1.0 s)"),
        Rejected("silent", "silent"),
        Rejected("x.m4a", "no"),
    )


def test_what_is_odd_about_a_recording_is_noted(dataset: DatasetConfig, tmp_path: Path) -> None:
    def offer(name: str, samples: np.ndarray, *sides: float) -> Recording:
        path = tmp_path / f"{name}.wav"
        soundfile.write(path, np.stack([side * samples for side in sides], 1), RATE_HZ, "FLOAT")
        return Recording(name, partial(decode_file, path))

    offered = (
        offer("b opposite", music(4, RATE_HZ, 1), 1, -1),
        offer("a left", music(4, RATE_HZ, 2), 1, 0),
        offer("c plain", music(4, RATE_HZ, 3), 1, 1),
        offer("d short", music(0.9, RATE_HZ, 4), 1, -1),
    )
    manifest = gather(Collection(offered), dataset, tmp_path / "raw")
    assert manifest.notes == (
        Note("a left", "its other channels are empty: only channel 1 of 2 is used"),
        Note("b opposite", "its channels cancel each other: only channel 1 of 2 is used"),
    )
    [rejected] = manifest.rejected
    assert rejected.reason.startswith("0.90 s long")
    assert rejected.reason.endswith("; its channels cancel each other: only channel 1 of 2 is used")
    write_manifest(tmp_path / "manifest.json", manifest)
    assert read_manifest(tmp_path / "manifest.json") == manifest


def test_silence_of_a_clips_length_is_left_out_and_shows_as_a_gap(
    dataset: DatasetConfig, tmp_path: Path
) -> None:
    samples = music(8, RATE_HZ)
    samples[2 * RATE_HZ : 4 * RATE_HZ] = 0
    offered = Collection((Recording("paused", partial(load, samples, 0)),))
    manifest = gather(offered, dataset, tmp_path)
    assert [clip.offset_samples / RATE_HZ for clip in manifest.clips] == [0, 4, 6]
    assert manifest.rejected == ()


def test_too_few_clips_stop_with_their_number_and_the_reasons(
    dataset: DatasetConfig, tmp_path: Path
) -> None:
    dataset = dataset.model_copy(update={"min_clips": 3})
    offered = Collection((recording("a", 4), recording("b", 0.5)))
    message = r"is 3, but usable clips \(.* 1\.0\) are 2, of 2 recordings\. Left out: b: 0\.50 s"
    with pytest.raises(SoundloomError, match=message):
        gather(offered, dataset, tmp_path)


def test_clips_of_a_stereo_corpus_are_stereo(dataset: DatasetConfig, tmp_path: Path) -> None:
    sides = np.stack([music(4, RATE_HZ, 1), music(4, RATE_HZ, 2)], axis=1)
    soundfile.write(tmp_path / "wide.wav", sides, RATE_HZ, "PCM_16")
    soundfile.write(tmp_path / "middle.flac", sides[:, 0], RATE_HZ, "PCM_16")
    paths = {name: tmp_path / name for name in ("wide.wav", "middle.flac")}
    offered = tuple(Recording(name, partial(decode_file, path)) for name, path in paths.items())
    stereo = dataset.model_copy(update={"channels": 2})
    manifest = gather(Collection(offered), stereo, tmp_path / "raw")
    assert manifest.channels == 2
    clips = {
        (clip.recording, clip.offset_samples): read_audio(
            tmp_path / "raw" / clip.file, RATE_HZ, channels=2
        )
        for clip in manifest.clips
    }
    np.testing.assert_array_equal(
        clips["wide.wav", 0], read_audio(paths["wide.wav"], RATE_HZ, 2)[:16_000]
    )
    middle = clips["middle.flac", 16_000]
    np.testing.assert_array_equal(middle[:, 0], middle[:, 1])
    write_manifest(tmp_path / "manifest.json", manifest)
    assert read_manifest(tmp_path / "manifest.json") == manifest
    # Of mono, nothing is said: its manifests are as they ever were.
    write_manifest(tmp_path / "mono.json", gather(Collection(offered), dataset, tmp_path / "mono"))
    assert '"channels"' not in (tmp_path / "mono.json").read_text(encoding="utf-8")


def test_more_unreadable_recordings_than_readable_ones_stop(
    dataset: DatasetConfig, tmp_path: Path
) -> None:
    refused = tuple(Recording(f"bad {i}", refuse) for i in range(6))
    converted = (Rejected("x.m4a", "convert it"),)
    good = tuple(recording(f"good {i}", 3, seed=i) for i in range(7))
    gather(Collection((*refused, *good), converted), dataset, tmp_path / "half")  # 7 of 14

    message = r"7 of 13 recordings cannot be read.*bad 0: scratched.*; and 2 more$"
    with pytest.raises(SoundloomError, match=message):
        gather(Collection((*refused, *good[1:]), converted), dataset, tmp_path / "more")


def test_any_number_of_short_equal_or_unwanted_recordings_is_no_reason_to_stop(
    dataset: DatasetConfig, tmp_path: Path
) -> None:
    short = tuple(recording(f"short {i}", 0.5, seed=i) for i in range(9))
    equal = tuple(recording(f"equal {i}", 4) for i in range(9))
    unwanted = tuple(Rejected(f"sfx/{i}.wav", "not wanted") for i in range(9))
    manifest = gather(Collection(short + equal, left_out=unwanted), dataset, tmp_path)
    assert (len(manifest.clips), len(manifest.rejected)) == (2, 17 + 9)


def test_a_manifest_is_read_back_as_it_was_saved(dataset: DatasetConfig, tmp_path: Path) -> None:
    offered = (
        recording("Überspielt 日本", 4, truth={"chords": ["E5", "G5"]}),
        Recording("b", refuse),
    )
    manifest = gather(Collection(offered), dataset, tmp_path)
    write_manifest(tmp_path / "manifest.json", manifest)
    assert read_manifest(tmp_path / "manifest.json") == manifest
    assert "Überspielt 日本" in (tmp_path / "manifest.json").read_text(encoding="utf-8")


def test_recordings_that_share_a_name_are_a_sources_fault() -> None:
    same = [Recording("a.wav", refuse), Recording("a.wav", refuse)]
    with pytest.raises(ValueError, match=r"share the name 'a\.wav'"):
        Collection(tuple(same))


def test_a_recording_that_was_cut_before_is_not_read_again(
    dataset: DatasetConfig, project: Path
) -> None:
    loaded: list[str] = []

    def gathered(known: Cache | None) -> dict[str, bytes]:
        """All that is written of the files in ``songs``."""
        loaded.clear()
        out = project / "out"
        shutil.rmtree(out, ignore_errors=True)
        offered = tuple(
            Recording(file.name, partial(load_file, file, loaded), "x", made_of=(file,))
            for file in sorted(Path("songs").iterdir())
        )
        manifest = gather(Collection(offered), dataset, out, known)
        write_manifest(out / "manifest.json", manifest)
        files = (file for file in sorted(out.rglob("*")) if file.is_file())
        return {file.relative_to(out).as_posix(): file.read_bytes() for file in files}

    def check(*read: str) -> str:
        """Only these are read, and what is written is as if nothing were known."""
        with cut_before() as known:
            found = gathered(known)
        assert sorted(loaded) == sorted(read)
        assert found == gathered(None)
        return known.tally("recordings", "read")

    for seed, name in enumerate(("a.wav", "b.wav", "c.wav")):
        write_recording(Path("songs", name), music(3.5, RATE_HZ, seed), RATE_HZ)
    write_recording(Path("songs/short.wav"), music(0.5, RATE_HZ), RATE_HZ)
    Path("songs/text.wav").write_text("no audio")
    assert check("a.wav", "b.wav", "c.wav", "short.wav", "text.wav") == ""
    assert check("text.wav") == "4 of 5 recordings known from before, 1 read"

    write_recording(Path("songs/B.wav"), music(2, RATE_HZ, seed=7), RATE_HZ)  # all have new numbers
    assert check("B.wav", "text.wav") == "4 of 6 recordings known from before, 2 read"
    Path("songs/c.wav").rename("songs/0.wav")
    Path("songs/text.wav").rename("songs/empty.wav")
    assert check("empty.wav") == "5 of 6 recordings known from before, 1 read"
    write_recording(Path("songs/b.wav"), music(3.5, RATE_HZ, seed=9), RATE_HZ)
    check("b.wav", "empty.wav")
    shutil.copy("songs/a.wav", "songs/copy.wav")  # which is known, and left out
    check("empty.wav")

    kept = project / ".dvc/tmp/soundloom/cache/clips"
    sizes = {entry: entry.stat().st_size for entry in kept.iterdir()}
    for entry, size in sizes.items():
        if size == max(sizes.values()):  # whole clips, of which one alone may be of no song today
            entry.write_bytes(entry.read_bytes()[:-1])
    with cut_before() as known:
        gathered(known)
    assert len(loaded) > 1
    check("empty.wav")


def test_a_file_with_other_tags_is_read_and_has_the_clips_it_had(
    dataset: DatasetConfig, project: Path
) -> None:
    file, loaded = Path("a.m4a"), list[str]()
    offered = Collection((Recording("a", partial(load_file, file, loaded), made_of=(file,)),))
    found = []
    for number, artist in enumerate(("Björk", "The Who")):
        content = encoded_by_ffmpeg(music(4, RATE_HZ), RATE_HZ, "ipod", "alac", {"artist": artist})
        file.write_bytes(content)
        with cut_before() as known:
            found.append(gather(offered, dataset, project / str(number), known).clips)
    assert len(loaded) == 2
    assert [clip.artist for clip in found[1]] == ["The Who", "The Who"]
    assert [replace(clip, artist="Björk") for clip in found[1]] == list(found[0])
    # Two files, and the two clips that they share.
    assert len(list((project / ".dvc/tmp/soundloom/cache/clips").iterdir())) == 4
