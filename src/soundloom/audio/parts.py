"""One audio file → the streams in it, each as a file that libsndfile reads to its end.

libsndfile reads only the first of several streams joined in one file, stops where an MP3's first
frame leads it to expect the end, and takes a file whose writer never came back to fill in how long
it is for an empty one. Players play it all. So a file is offered as :class:`Part` s: the bytes of
one stream each, with what the header says of its length mended.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping
from itertools import islice, pairwise, zip_longest
from typing import BinaryIO, Literal

from soundloom.audio.mp3 import Stream, after_id3, mp3_streams, read_at

MAX_PARTS = 1000

BLOCK_BYTES = 1 << 20
PAGE_BYTES = 1 << 12  # which count as read once something in them is

# Eight bytes each. In Ogg, of a stream's first and of its last page; of FLAC the marker, and the
# header of the block that always comes first.
PATTERN_BYTES = 8
MAX_PLACES = 10 * MAX_PARTS
OGG_EDGE = re.compile(rb"OggS\x00[\x02-\x07]..", re.DOTALL)
OGG_FIRST, OGG_LAST = 2, 4  # in the sixth byte
FLAC_START = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")

# Where chunks begin, how their sizes are written, and to how many bytes they are padded.
CHUNKS: dict[bytes, tuple[int, Literal["little", "big"], int, int]] = {
    b"RIFF": (12, "little", 4, 2),
    b"RIFX": (12, "big", 4, 2),
    b"caff": (8, "big", 8, 1),
}

MAX_CHUNKS = 100  # looked at, before the one with the samples

# An MP3 without a count of its frames is thought to hold as many as its first one fits into its
# size, and nothing beyond them is read. Of one that claims to be a terabyte, all is read.
BOUNDLESS = 1 << 40


class Part(io.RawIOBase):
    """Bytes ``start`` to ``stop`` of ``file``, to be read as a file of their own.

    ``mended`` are bytes to be found in place of the file's own, by their offset in the part;
    ``claimed_size`` is where a seek to the end leads, if not to the end; zeros are read there.
    """

    def __init__(
        self,
        file: BinaryIO,
        start: int,
        stop: int,
        mended: Mapping[int, bytes] | None = None,
        claimed_size: int | None = None,
    ) -> None:
        self._file, self._start, self._size = file, start, stop - start
        self._mended = mended or {}
        self._claimed_size = claimed_size or self._size
        self._position = 0
        self._was_read = bytearray(max(1, -(-self._size // PAGE_BYTES)))

    def unmended(self) -> Part:
        """The same bytes, with nothing in place of the file's own."""
        return Part(self._file, self._start, self._start + self._size)

    @property
    def is_mended(self) -> bool:
        """Whether some bytes are not the file's own."""
        return bool(self._mended)

    @property
    def unread_share(self) -> float:
        """How much of it nobody has read, from 0 to 1."""
        return 1.0 - sum(self._was_read) / len(self._was_read)

    def tell(self) -> int:
        """The offset at which is read next."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to an offset, which may lie behind the end."""
        bases = {io.SEEK_CUR: self._position, io.SEEK_END: self._claimed_size}
        self._position = max(0, bases.get(whence, 0) + offset)
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill ``buffer`` from here; fewer bytes, or none, at the end."""
        first = self._position
        if self._size < first < self._claimed_size:
            data = bytearray(min(len(buffer), self._claimed_size - first))
        else:
            data = self._read(first, min(len(buffer), max(0, self._size - first)))
        for offset, content in self._mended.items():
            for place, byte in enumerate(content, offset - first):
                if 0 <= place < len(data):
                    data[place] = byte
        buffer[: len(data)] = bytes(data)
        self._position += len(data)
        return len(data)

    def _read(self, offset: int, n_bytes: int) -> bytearray:
        data = read_at(self._file, self._start + offset, n_bytes)
        first, stop = offset // PAGE_BYTES, -(-(offset + len(data)) // PAGE_BYTES)
        self._was_read[first:stop] = b"\1" * (stop - first)
        return bytearray(data)


def parts_of(file: BinaryIO) -> list[Part]:
    """The streams in ``file``, in order; all of it as one where nothing is known of its format.

    No more than ``MAX_PARTS`` and one: who wants to make sense of more has no recording.
    """
    size = file.seek(0, io.SEEK_END)
    begin = after_id3(file)
    mark = read_at(file, begin, 4)
    if mark == b"OggS":
        return _cut(file, [begin, *_ogg_starts(file)], size)
    if mark == b"fLaC":
        return _cut(file, [begin, *_matches(file, FLAC_START)], size)
    if mark in (b"RIFF", b"RIFX"):
        return _cut(file, _wav_starts(file, begin), size)
    if streams := list(islice(mp3_streams(file, begin), MAX_PARTS + 1)):
        return [_mp3_part(file, stream, size) for stream in streams]
    return _cut(file, [0], size)


def _cut(file: BinaryIO, starts: Iterable[int], size: int) -> list[Part]:
    """The file from the first start on, cut at the others."""
    edges = islice(pairwise(sorted({*starts, size})), MAX_PARTS + 1)
    return [Part(file, start, stop, _length_mended(file, start, stop)) for start, stop in edges]


def _matches(file: BinaryIO, pattern: re.Pattern[bytes]) -> list[int]:
    """Where the ``PATTERN_BYTES`` of ``pattern`` are found, in the first places of many."""
    file.seek(0)
    places: list[int] = []
    position, block = 0, b""
    while len(places) < MAX_PLACES and (more := file.read(BLOCK_BYTES)):
        block += more
        places += (position + match.start() for match in pattern.finditer(block))
        n_done = max(0, len(block) - (PATTERN_BYTES - 1))
        position, block = position + n_done, block[n_done:]
    return places


def _ogg_starts(file: BinaryIO) -> list[int]:
    """Where the links of a chain begin: each with the first pages of all streams in it.

    If the last page of a link's only stream is not the last, another follows without a beginning.
    """
    starts: list[int] = []
    n_streams, end_of_first_pages = 0, -1
    edges = [(start, *_ogg_page(file, start)) for start in _matches(file, OGG_EDGE)]
    for (start, flags, end), following in zip_longest(edges, edges[1:]):
        if flags & OGG_FIRST:
            if start != end_of_first_pages:
                starts.append(start)
                n_streams = 0
            n_streams, end_of_first_pages = n_streams + 1, end
        if flags & OGG_LAST and n_streams == 1 and following and not following[1] & OGG_FIRST:
            starts.append(end)
    return starts


def _ogg_page(file: BinaryIO, start: int) -> tuple[int, int]:
    """The flags of a page, and where it ends."""
    header = read_at(file, start, 27).ljust(27, b"\0")
    sizes = read_at(file, start + 27, header[26])
    return header[5], start + 27 + len(sizes) + sum(sizes)


def _wav_starts(file: BinaryIO, begin: int) -> list[int]:
    """Where WAV files begin that were joined, each where the one before says that it ends."""
    starts = [begin]
    while len(starts) <= MAX_PARTS:
        head = read_at(file, starts[-1], 8)
        if head[:4] not in (b"RIFF", b"RIFX"):
            return starts[:-1]
        n_bytes = int.from_bytes(head[4:], CHUNKS[head[:4]][1])
        starts.append(starts[-1] + 8 + n_bytes + n_bytes % 2)
    return starts


def _mp3_part(file: BinaryIO, stream: Stream, size: int) -> Part:
    """One stream; without its count of frames where that is less than there are."""
    start, stop, count = stream.start, min(stream.stop, size), stream.count
    if count is None:
        return Part(file, start, stop, claimed_size=BOUNDLESS)
    if count.n_frames < stream.n_frames - 1:
        return Part(file, start, stop, {count.offset: bytes(4)}, BOUNDLESS)
    return Part(file, start, stop)


def _length_mended(file: BinaryIO, start: int, stop: int) -> dict[int, bytes]:
    """The field for how much follows, where the writer left it open, or players do not look."""
    mark, size = read_at(file, start, 4), stop - start
    if mark == b"fLaC":  # 36 bits of the eight bytes count the samples; 0 is "unknown"
        return {18: (int.from_bytes(read_at(file, start + 18, 8)) >> 36 << 36).to_bytes(8)}
    if mark == b".snd":
        return {8: b"\xff" * 4}  # "unknown": what players take every length for
    if mark == b"RF64" and read_at(file, start + 28, 8) in (bytes(8), b"\xff" * 8):
        return {20: size.to_bytes(8, "little") * 2}
    if mark not in CHUNKS:
        return {}
    offset, order, width, padded = CHUNKS[mark]
    for _ in range(MAX_CHUNKS):
        name = read_at(file, start + offset, 4)
        field, offset = offset + 4, offset + 4 + width
        n_bytes = int.from_bytes(read_at(file, start + field, width), order, signed=width == 8)
        if name == b"data":
            left = min(size - offset, (1 << 8 * width) - 1)
            is_open = n_bytes <= 0 < left and not _is_name(read_at(file, start + offset, 4))
            return {field: left.to_bytes(width, order)} if is_open else {}
        offset += max(0, n_bytes) + n_bytes % padded
    return {}


def _is_name(name: bytes) -> bool:
    """Whether a chunk may be called so: then the one before it is empty indeed."""
    return len(name) == 4 and name.strip().isalnum()
