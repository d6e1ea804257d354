"""Sound in formats that libsndfile lacks, and any file's tags: what FFmpeg reads, through PyAV.

How a file begins says which of FFmpeg's demuxers it is for. FFmpeg itself is not asked: among what
it may take a file for are lists of other files, which it would open.
"""

from __future__ import annotations

import sys
from collections import ChainMap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import RawIOBase
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from soundloom.audio.mp3 import after_id3, read_at

if TYPE_CHECKING:
    from av import AudioFrame, AudioStream, Packet
    from av.container import InputContainer

# Demuxers of what libsndfile lacks, each by what its files have where: behind an ID3v2 tag, if
# there is one.
FOREIGN = (
    *((4, mark, "mov") for mark in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")),
    (0, b"\x1aE\xdf\xa3", "matroska"),
    (0, bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), "asf"),
    (8, b"AVI LIST", "avi"),
    (0, b"FLV\1", "flv"),
    (0, b"wvpk", "wv"),
    (0, b"TTA1", "tta"),
    (0, b"MAC ", "ape"),
    (0, b"MPCK", "mpc8"),
    (0, b"MP+", "mpc"),
    (0, b"#!AMR", "amr"),
    (0, b".RMF", "rm"),
    (0, b".ra\xfd", "rm"),
    (0, b"DSD ", "dsf"),
    (0, b"\x0b\x77", "ac3"),
    (0, b"\x7f\xfe\x80\x01", "dts"),
)
# And of what libsndfile reads, of which only the tags are read here.
NATIVE = (
    (0, b"RIFF", "wav"),
    (0, b"RF64", "wav"),
    (0, b"fLaC", "flac"),
    (0, b"OggS", "ogg"),
    (0, b"FORM", "aiff"),
    (0, b"caff", "caf"),
    (0, b"riff", "w64"),
    (0, b".snd", "au"),
)
HEAD_BYTES = 16

# In these nothing says how long they are, and FFmpeg makes a guess.
OF_UNKNOWN_LENGTH = ("aac", "ac3", "amr", "dts")

# Not the name of an artist, where the artist of an album is asked for.
SEVERAL_ARTISTS = ("various", "various artists", "va", "v.a.", "verschiedene interpreten")
MAX_TAG_CHARACTERS = 200

DAMAGED = "no audio found, or damaged"


class Undecodable(Exception):
    """What FFmpeg, or this module, says of a file that it cannot read, in a line."""


@dataclass(frozen=True)
class Tags:
    """What a file says of the music in it: one line each, or ``None``."""

    artist: str | None = None
    title: str | None = None


NO_TAGS = Tags()


def foreign_demuxer(file: BinaryIO) -> str | None:
    """The demuxer that reads ``file``, if libsndfile does not."""
    begin = after_id3(file)
    return _marked(FOREIGN, file, begin) or ("aac" if _is_adts(file, begin) else None)


def read_tags(file: BinaryIO) -> Tags:
    """The tags of a file; none of one that cannot be read.

    The artist is the album's, so that a guest makes no other artist of a band, unless the album is
    by several.
    """
    begin = after_id3(file)
    demuxer = foreign_demuxer(file) or _marked(NATIVE, file, begin) or "mp3"
    if demuxer == "mp3" and not begin and read_at(file, 0, 1) != b"\xff":
        return NO_TAGS
    file.seek(0)
    try:
        with _opened(file, demuxer) as container:
            of_streams = [stream.metadata for stream in container.streams.audio]
            tags = ChainMap(container.metadata, *of_streams[:1])  # Ogg has them with the stream
            found = {key.lower(): _line(text) for key, text in tags.items()}
    except (Undecodable, OSError):
        return NO_TAGS
    band = found.get("album_artist", "")
    artist = found.get("artist") if band.lower() in ("", *SEVERAL_ARTISTS) else band
    return Tags(artist or None, found.get("title") or None)


def _line(text: str) -> str:
    """A tag's text in one line, without what commands a terminal."""
    printable = "".join(c if c.isprintable() else " " for c in text[:MAX_TAG_CHARACTERS])
    return " ".join(printable.split())


@contextmanager
def opened_track(file: RawIOBase, demuxer: str) -> Iterator[Track]:
    """The sound in ``file``; what is raised here and by reading it is :class:`Undecodable`."""
    with _opened(file, demuxer) as container:
        yield Track(container, is_length_known=demuxer not in OF_UNKNOWN_LENGTH)


class Track:
    """The sound of an open file, read from its beginning to its end as a ``SoundFile`` is.

    Of several tracks, the one that players choose. What the encoder put before and behind the
    sound is left out as far as the file tells of it; what is damaged is left out too.
    """

    format = "FFmpeg"
    frames = sys.maxsize  # until there are no more

    def __init__(self, container: InputContainer, *, is_length_known: bool) -> None:
        from av import AudioStream
        from av.stream import Discard

        self._container = container
        tracks = container.streams.audio
        stream = container.streams.best("audio")
        if not isinstance(stream, AudioStream):
            raise Undecodable("holds no sound")
        if stream.codec_context is None:
            raise Undecodable("is in a codec that is not read, or protected")
        for other in container.streams:
            if other is not stream:
                other.discard = Discard.all  # pictures are passed over
        self._stream = stream
        self.notes = (
            [f"holds {len(tracks)} tracks: only {tracks.index(stream) + 1} of them used"]
            if len(tracks) > 1
            else []
        )
        self._claimed_seconds = _claimed_seconds(container, stream) if is_length_known else 0.0
        self._n_read = self._n_packets = self._n_damaged = 0
        self._frames = self._decoded()
        # Only decoded sound shows its rate for sure: of some AAC, twice what the file says.
        first = next(self._frames, None)
        if first is None:
            raise Undecodable("holds no samples" if not self._n_damaged else DAMAGED)
        self.samplerate, self.channels = first.sample_rate, len(first.layout.channels)
        self._waiting = _samples(first)

    @property
    def read_share(self) -> float:
        """How much of the sound was there and could be decoded, from 0 to 1, once all is read."""
        intact = 1.0 - self._n_damaged / max(1, self._n_packets)
        if not self._claimed_seconds:
            return intact
        return min(intact, self._n_read / self.samplerate / self._claimed_seconds)

    def read(self, n_frames: int, dtype: str = "float32", always_2d: bool = True) -> np.ndarray:
        """The next ``(n_frames, n_channels)``, fewer at the end."""
        pieces, n_waiting = [self._waiting], len(self._waiting)
        while n_waiting < n_frames and (frame := next(self._frames, None)) is not None:
            pieces.append(_samples(frame))
            n_waiting += len(pieces[-1])
        joined = np.concatenate(pieces)
        self._waiting = joined[n_frames:].copy()
        self._n_read += len(joined) - len(self._waiting)
        return joined[:n_frames].astype(dtype, copy=False)

    def _decoded(self) -> Iterator[AudioFrame]:
        """All frames as float, at the rate and in the layout of the first one."""
        from av import AudioResampler, FFmpegError

        first, kind = None, None
        for packet in self._packets():
            self._n_packets += 1
            try:
                frames = self._stream.decode(packet)
            except FFmpegError:
                self._n_damaged += 1
                continue
            for frame in frames:
                first = first or frame
                if kind != (kind := (frame.format.name, frame.layout.name, frame.sample_rate)):
                    converter = AudioResampler("fltp", first.layout, first.sample_rate)
                yield from converter.resample(frame)

    def _packets(self) -> Iterator[Packet]:
        """All packets that can be found."""
        from av import FFmpegError

        try:
            yield from self._container.demux(self._stream)
        except FFmpegError:
            self._n_packets, self._n_damaged = self._n_packets + 1, self._n_damaged + 1


def _samples(frame: AudioFrame) -> np.ndarray:
    """``(n_frames, n_channels)`` of a planar frame."""
    return frame.to_ndarray().T


def _claimed_seconds(container: InputContainer, stream: AudioStream) -> float:
    """How long the sound is, as the file says; 0 if it does not, or only with pictures."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    is_alone = len(container.streams) == 1
    return container.duration / 1_000_000 if is_alone and container.duration else 0.0


@contextmanager
def _opened(file: BinaryIO | RawIOBase, demuxer: str) -> Iterator[InputContainer]:
    """``file`` as FFmpeg sees it; its errors, and those of what is done with it, in a line."""
    import av  # a third of a second, and most files do without

    try:
        with av.open(file, "r", format=demuxer, metadata_errors="replace") as container:
            yield container
    except av.FFmpegError as error:
        raise Undecodable(DAMAGED if isinstance(error, EOFError) else error.strerror) from None


def _marked(marks: Sequence[tuple[int, bytes, str]], file: BinaryIO, begin: int) -> str | None:
    """The demuxer of the first of ``marks`` that is found in ``file``."""
    head = read_at(file, begin, HEAD_BYTES)
    return next((demuxer for at, mark, demuxer in marks if head.startswith(mark, at)), None)


def _is_adts(file: BinaryIO, begin: int) -> bool:
    """Whether two frames of AAC in ADTS follow each other at ``begin`` (ISO/IEC 13818-7, 6.2)."""
    head = read_at(file, begin, 6)
    if len(head) < 6 or not _is_adts_mark(head):
        return False
    n_bytes = (int.from_bytes(head[3:6]) >> 5) & 0x1FFF
    return _is_adts_mark(read_at(file, begin + n_bytes, 2))


def _is_adts_mark(head: bytes) -> bool:
    """Whether ``head`` begins with twelve bits of mark, and layer 0."""
    return int.from_bytes(head[:2]) & 0xFFF6 == 0xFFF0
