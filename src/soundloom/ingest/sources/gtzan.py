"""Source ``gtzan``: one genre of the GTZAN collection, from Kaggle or from a copy of it.

GTZAN is 100 excerpts of about 30 s for each of ten genres (Tzanetakis and Cook, "Musical genre
classification of audio signals", 2002). Its faults are catalogued in Sturm, "The GTZAN dataset"
(arXiv:1306.1461): excerpts that occur twice, by the same artist, or under the wrong genre. Exact
replicas are left out when clips are gathered, as is ``jazz.00054``, which cannot be read.
"""

from __future__ import annotations

import re
from functools import partial
from itertools import pairwise
from pathlib import Path, PurePosixPath

from soundloom.audio.files import AUDIO_SUFFIXES, decode_file
from soundloom.common.errors import SoundloomError
from soundloom.common.user_files import check_apart, why_not_here
from soundloom.corpus.manifest import Rejected
from soundloom.ingest.collection import Collection, Recording
from soundloom.ingest.config import DatasetConfig
from soundloom.ingest.sources.files import find_audio, relative_name, unpack_zip

HANDLE = "andradaolteanu/gtzan-dataset-music-genre-classification"
ADDRESS = f"https://www.kaggle.com/datasets/{HANDLE}"

# Where the folders of the genres lie: in Kaggle's copy, in others, or right in the folder given.
GENRE_PARENTS = ("Data/genres_original", "genres_original", "genres", ".")

LICENCE = "none: excerpts of commercial recordings"

# Artists of the rock excerpts by first and last number, so that a split can keep artists apart;
# numbers between are by various artists. After Sturm's index as it is quoted in public code: not
# checked against the index itself.
ROCK_ARTISTS = (
    (0, 9, "Morphine"),
    (10, 15, "Ani DiFranco"),
    (16, 26, "Queen"),
    (32, 32, "Led Zeppelin"),
    (39, 48, "Led Zeppelin"),
    (49, 56, "Simple Minds"),
    (57, 63, "Sting"),
    (64, 70, "Jethro Tull"),
    (71, 78, "Simply Red"),
    (79, 85, "Survivor"),
    (91, 99, "The Stone Roses"),
)

# How long Kaggle has to answer at all: kagglehub itself would wait as long as the system does.
CONNECT_TIMEOUT_SECONDS = 10


def collect(config: DatasetConfig, work: Path) -> Collection:
    """Offer the excerpts of ``dataset.genre`` from ``dataset.gtzan.path``, or else from Kaggle.

    The path is the zip that Kaggle's page offers, or a folder with what was in it. Of a zip only
    the genre's own files are unpacked, to ``work``.

    Raises :class:`SoundloomError`: no such path or genre in it, a path that the pipeline writes to,
    or Kaggle does not give it.
    """
    path = Path(config.gtzan.path) if config.gtzan.path else fetch_from_kaggle()
    check_apart(path, "dataset.gtzan.path")
    rejected: tuple[Rejected, ...] = ()
    root = path.absolute()
    if path.is_file():
        rejected = unpack_zip(path, work, partial(_place_in_genre, config.genre))
        root = work
    elif not path.is_dir():
        wanted = (
            f"it must be the zip from {ADDRESS}, the folder unpacked from it, or empty to fetch it "
            "through kagglehub"
        )
        raise SoundloomError(f"dataset.gtzan.path is {str(path)!r}; {why_not_here(path) or wanted}")
    recordings: dict[str, Recording] = {}
    for parent in GENRE_PARENTS:
        folder = root / parent / config.genre
        for file in find_audio(folder):
            name = relative_name(file, folder.parent)
            if name in recordings:  # the same clip in two folders
                name = f"{parent}/{name}"
            recordings[name] = _recording(name, file, config.genre)
    if recordings:
        return Collection(tuple(recordings.values()), rejected)
    if rejected:
        raise SoundloomError(
            f"dataset.gtzan.path is {str(path)!r}, of which nothing can be used: "
            f"{rejected[0].file}: {rejected[0].reason}"
        )
    raise SoundloomError(
        f"dataset.gtzan.path is {str(path)!r}, but there is no audio in its "
        f"Data/genres_original/{config.genre}; is it GTZAN as {ADDRESS} gives it?"
    )


def rock_artist(number: int) -> str | None:
    """Who plays in excerpt ``rock.<number>``, as far as is known."""
    for first, last, artist in ROCK_ARTISTS:
        if first <= number <= last:
            return artist
    return None


def fetch_from_kaggle() -> Path:
    """Let kagglehub fetch the collection, 1.4 GB, or find it in kagglehub's own cache.

    Raises :class:`SoundloomError` saying how to get the collection by hand.
    """
    import kagglehub  # here, as a local copy does not need it
    import requests

    try:
        _require_answer()
        return Path(kagglehub.dataset_download(HANDLE))
    except Exception as error:  # kagglehub's errors have no base class of their own
        first_line = str(error).strip().partition("\n")[0]
        reason = f"{type(error).__name__}: {first_line}"
        if isinstance(error, requests.ConnectionError | requests.Timeout):
            reason = "no connection"  # its own text is a page long
        raise SoundloomError(
            f"GTZAN cannot be had from Kaggle ({reason}); download it by hand from {ADDRESS} and "
            "set dataset.gtzan.path to the zip"
        ) from None


def _require_answer() -> None:
    """Fail soon if Kaggle cannot be reached."""
    import requests
    from kagglesdk.kaggle_env import get_endpoint, get_env

    requests.head(get_endpoint(get_env()), timeout=CONNECT_TIMEOUT_SECONDS)


def _place_in_genre(genre: str, member: PurePosixPath) -> PurePosixPath | None:
    """A zip's audio of ``genre`` goes to a folder of that name, from wherever it lies."""
    if member.suffix.lower() not in AUDIO_SUFFIXES or member.name.startswith("."):
        return None
    for depth, (parent, name) in enumerate(pairwise(("", *member.parts[:-1]))):
        if name == genre and parent in {"genres_original", "genres", ""}:
            return PurePosixPath(*member.parts[depth:])
    return None


def _recording(name: str, file: Path, genre: str) -> Recording:
    number = re.search(r"\d+", file.name)
    artist = rock_artist(int(number[0])) if genre == "rock" and number else None
    return Recording(name, partial(decode_file, file), artist, LICENCE, made_of=(file,))
