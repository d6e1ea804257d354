"""One audio file → the streams in it, each as a file that libsndfile reads to its end.

libsndfile reads only the first of several streams joined in one file or takes the others for its
samples, stops where an MP3's first frame leads it to expect the end, and takes a file whose writer
never came back to fill in how long it is for an empty one. Players play it all. So a file is
offered as :class:`Part` s: the bytes of one stream each, with what the header says of its length
mended. Where the last one ends before the file does, nobody knows what the rest is; where the file
ends first, it was cut short.
"""

from __future__ import annotations

import io
import re
from bisect import bisect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, islice, pairwise, zip_longest
from typing import BinaryIO, Literal, NamedTuple

from soundloom.audio.containers import foreign_demuxer
from soundloom.audio.mp3 import Stream, after_id3, mp3_streams, next_mark, read_at

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

# What the first packet of FLAC in Ogg has before what a FLAC file begins with.
OGG_FLAC, OGG_FLAC_BYTES = b"\x7fFLAC", 9


class Layout(NamedTuple):
    """How a container is made of chunks: each a name, the size of its content, the content."""

    first: int  # where they begin
    name_bytes: int  # of which the first four are told apart
    order: Literal["little", "big"]
    size_bytes: int
    padded: int  # to a multiple of how many bytes
    sound: bytes = b"data"
    counts_itself: bool = False  # whether a size is that of the whole chunk
    is_once: bool = False  # whether several chunks of sound are not one after another


W64 = b"riff"
LAYOUTS = {
    b"RIFF": Layout(12, 4, "little", 4, 2),
    b"RIFX": Layout(12, 4, "big", 4, 2),
    b"RF64": Layout(12, 4, "little", 4, 2),
    b"FORM": Layout(12, 4, "big", 4, 2, sound=b"SSND", is_once=True),
    b"caff": Layout(8, 4, "big", 8, 1, is_once=True),
    W64: Layout(40, 16, "little", 8, 8, counts_itself=True),
}
AU = b".snd"
UNKNOWN = b"\xff" * 4  # what AU has for a length that is open
# Programs that write into a pipe say this or more; of a file, at which they stop, none is as long.
ENDLESS = 0x7FFF_0000
STARTS = (*LAYOUTS, AU, b"fLaC", b"OggS")

MAX_CHUNKS = 100  # looked at, in one container

# What people's programs leave behind the sound.
TAGS = (b"TAG", b"ID3", b"APETAGEX", b"LYRICSBEGIN")
MAX_PADDING_BYTES = 256

# An MP3 without a count of its frames is thought to hold as many as its first one fits into its
# size, and nothing beyond them is read. Of one that claims to be a terabyte, all is read.
BOUNDLESS = 1 << 40


class Part(io.RawIOBase):
    """The bytes of ``file`` in ``ranges``, (start, stop) each, to be read as a file of their own.

    ``mended`` are bytes to be found in place of the file's own, by their offset in the part;
    ``claimed_size`` is where a seek to the end leads, if not to the end; zeros are read there.
    ``is_cut`` says that the file ends before the stream does; ``demuxer`` is FFmpeg's for what
    libsndfile does not read.
    """

    def __init__(
        self,
        file: BinaryIO,
        ranges: Sequence[tuple[int, int]],
        mended: Mapping[int, bytes] | None = None,
        claimed_size: int | None = None,
        *,
        is_cut: bool = False,
        demuxer: str | None = None,
    ) -> None:
        self.is_cut = is_cut
        self.demuxer = demuxer
        self._file, self._ranges = file, ranges
        # Where in the part each range begins, and where the last one ends.
        self._offsets = list(accumulate((stop - start for start, stop in ranges), initial=0))
        self._size = self._offsets[-1]
        self._mended = mended or {}
        self._claimed_size = claimed_size or self._size
        self._position = 0
        self._was_read = bytearray(max(1, -(-self._size // PAGE_BYTES)))

    @property
    def stop(self) -> int:
        """Where in the file it ends."""
        return self._ranges[-1][1]

    def unmended(self) -> Part:
        """The same bytes, with nothing in place of the file's own."""
        return Part(self._file, self._ranges)

    @property
    def is_mended(self) -> bool:
        """Whether some bytes are not the file's own."""
        return bool(self._mended)

    @property
    def unread_share(self) -> float:
        """How much of it nobody has read, from 0 to 1."""
        return 1.0 - sum(self._was_read) / len(self._was_read)

    def readable(self) -> bool:
        """It can be read."""
        return True

    def seekable(self) -> bool:
        """Anywhere."""
        return True

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
        data = bytearray()
        for index in range(bisect(self._offsets, offset) - 1, len(self._ranges)):
            if len(data) == n_bytes:
                break
            start, stop = self._ranges[index]
            start += max(0, offset - self._offsets[index])
            data += read_at(self._file, start, min(stop - start, n_bytes - len(data)))
        first, stop = offset // PAGE_BYTES, -(-(offset + len(data)) // PAGE_BYTES)
        self._was_read[first:stop] = b"\1" * (stop - first)
        return data


def parts_of(file: BinaryIO) -> list[Part]:
    """The streams in ``file``, in order; all of it as one where nothing is known of its format.

    No more than ``MAX_PARTS`` and one: who wants to make sense of more has no recording.
    """
    size = file.seek(0, io.SEEK_END)
    if demuxer := foreign_demuxer(file):
        return [Part(file, [(0, size)], demuxer=demuxer)]
    begin = after_id3(file)
    mark = read_at(file, begin, 4)
    if mark == b"OggS":
        edges = _ogg_edges(file)
        stop = _ogg_stop(file, edges, size)
        parts = [_ogg_part(file, *cut) for cut in _cuts([begin, *_ogg_starts(edges)], stop)]
        parts[-1].is_cut = not _has_last_page(edges, size)
        return parts
    if mark == b"fLaC":
        cuts = _cuts([begin, *_matches(file, FLAC_START)], size)
        return [Part(file, [cut], _flac_mended(file, cut[0])) for cut in cuts]
    if mark in STARTS:
        return list(islice(_one_after_another(file, begin, size), MAX_PARTS + 1))
    if streams := list(islice(mp3_streams(file, begin), MAX_PARTS + 1)):
        return [_mp3_part(file, stream, size) for stream in streams]
    return [Part(file, [(0, size)])]


def n_bytes_behind(file: BinaryIO, last: Part) -> int:
    """How much of ``file`` lies behind its ``last`` part, and is no tag nor padding."""
    is_tag = read_at(file, last.stop, 16).startswith(TAGS)
    n_bytes = file.seek(0, io.SEEK_END) - last.stop
    return 0 if is_tag or n_bytes <= MAX_PADDING_BYTES else n_bytes


def _cuts(starts: Iterable[int], stop: int) -> list[tuple[int, int]]:
    """From the first start on to ``stop``, cut at the others."""
    return list(islice(pairwise(sorted({*starts, stop})), MAX_PARTS + 1))


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


class OggPage(NamedTuple):
    """Bytes ``start`` to ``stop`` of a file, of which the content begins at ``content``."""

    start: int
    flags: int
    serial: bytes  # of the stream it is of
    content: int
    stop: int


def _ogg_page(file: BinaryIO, start: int) -> OggPage:
    """What the header of the page says that begins at ``start``."""
    header = read_at(file, start, 27).ljust(27, b"\0")
    sizes = read_at(file, start + 27, header[26])
    content = start + 27 + len(sizes)
    return OggPage(start, header[5], header[14:18], content, content + sum(sizes))


def _ogg_edges(file: BinaryIO) -> list[OggPage]:
    """Every stream's first page, and its last."""
    return [_ogg_page(file, start) for start in _matches(file, OGG_EDGE)]


def _ogg_starts(edges: list[OggPage]) -> list[int]:
    """Where the links of a chain begin: each with the first pages of all streams in it.

    If the last page of a link's only stream is not the last, another follows without a beginning.
    """
    starts: list[int] = []
    n_streams, end_of_first_pages = 0, -1
    for page, following in zip_longest(edges, edges[1:]):
        if page.flags & OGG_FIRST:
            if page.start != end_of_first_pages:
                starts.append(page.start)
                n_streams = 0
            n_streams, end_of_first_pages = n_streams + 1, page.stop
        is_last = page.flags & OGG_LAST and n_streams == 1
        if is_last and following and not following.flags & OGG_FIRST:
            starts.append(page.stop)
    return starts


def _ogg_stop(file: BinaryIO, edges: list[OggPage], size: int) -> int:
    """Where the last page ends, if it is marked as such and no other follows; or else the file."""
    if not _has_last_page(edges, size):
        return size
    return size if read_at(file, edges[-1].stop, 4) == b"OggS" else edges[-1].stop


def _has_last_page(edges: list[OggPage], size: int) -> bool:
    """Whether the file ends with, or behind, the last page of its last stream."""
    return bool(edges and edges[-1].flags & OGG_LAST and edges[-1].stop <= size)


def _ogg_part(file: BinaryIO, start: int, stop: int) -> Part:
    """A link of a chain; if it is FLAC, which libsndfile does not read in Ogg, out of its pages."""
    page = _ogg_page(file, start)
    if read_at(file, page.content, len(OGG_FLAC)) != OGG_FLAC:
        return Part(file, [(start, stop)])
    begin = page.content + OGG_FLAC_BYTES
    ranges, serial = [(begin, max(begin, min(page.stop, stop)))], page.serial
    while (position := next_mark(file, page.stop, b"OggS", stop)) < stop:
        page = _ogg_page(file, position)
        if page.serial == serial and page.content < stop:
            ranges.append((page.content, min(page.stop, stop)))
    return Part(file, ranges, _flac_mended(file, begin))


def _one_after_another(file: BinaryIO, start: int, size: int) -> Iterator[Part]:
    """Containers that were joined, each where the one before ends."""
    while (mark := read_at(file, start, 4)) in STARTS:
        part = _container(file, mark, start, size)
        yield part
        start = part.stop


def _container(file: BinaryIO, mark: bytes, start: int, size: int) -> Part:
    """The container that begins at ``start``, to where it says that it ends, or the file does."""
    if mark == AU:
        begins, n_bytes = (int.from_bytes(read_at(file, start + at, 4)) for at in (4, 8))
        stop = start + begins + n_bytes if 0 < n_bytes < ENDLESS else size
        return Part(file, [(start, min(stop, size))], {8: UNKNOWN}, is_cut=stop > size)
    if mark not in LAYOUTS:
        return Part(file, [(start, size)], _flac_mended(file, start))
    chunks = _chunks(file, mark, start, size)
    sounds = [chunk for chunk in chunks if chunk.is_sound]
    if not sounds or len(chunks) == MAX_CHUNKS:
        return Part(file, [(start, size)])
    first, *others = sounds
    if not others and mark != W64:
        mended = _size_mended(mark, first, start, first.n_bytes) if first.is_open else {}
        return Part(file, [(start, chunks[-1].stop)], mended, is_cut=first.is_cut)
    # Players play all sound, one after another, and in W64 libsndfile all that follows the first.
    ranges = [(start, first.begin + first.n_bytes)]
    ranges += [(chunk.begin, chunk.begin + chunk.n_bytes) for chunk in others]
    ranges += [(chunks[-1].stop, chunks[-1].stop)]
    mended = _size_mended(mark, first, start, sum(one.n_bytes for one in sounds))
    return Part(file, ranges, mended, is_cut=first.is_cut)


class Chunk(NamedTuple):
    """A chunk of sound or of other things: ``n_bytes`` in the file from ``begin`` on.

    Its size stands at ``field``; it ``is_open`` where that was never filled in, and
    ``is_cut`` where it is more than there is.
    """

    is_sound: bool
    is_open: bool
    is_cut: bool
    field: int
    begin: int
    n_bytes: int
    stop: int


def _chunks(file: BinaryIO, mark: bytes, start: int, size: int) -> list[Chunk]:
    """The chunks in the container that begins at ``start``, up to what can be none of its own."""
    layout = LAYOUTS[mark]
    chunks: list[Chunk] = []
    position, n_sounds = start + layout.first, 0
    while position < size and len(chunks) < MAX_CHUNKS:
        name = read_at(file, position, 4)
        is_sound = name == layout.sound
        if name in STARTS or not _is_name(name) or (is_sound and n_sounds and layout.is_once):
            break
        field = position + layout.name_bytes
        begin = field + layout.size_bytes
        n_bytes = _chunk_bytes(file, mark, start, field)
        is_open = is_sound and n_bytes == 0 and not _is_name(read_at(file, begin, 4))
        n_left = max(0, size - begin)
        if n_bytes > n_left and n_sounds:
            break
        is_cut = is_sound and n_left < n_bytes < ENDLESS
        n_bytes = n_left if is_open else min(n_bytes, n_left)
        position = begin + n_bytes
        position = min(position + (start - position) % layout.padded, size)
        chunks.append(Chunk(is_sound, is_open, is_cut, field, begin, n_bytes, position))
        n_sounds += is_sound
    return chunks


def _chunk_bytes(file: BinaryIO, mark: bytes, start: int, field: int) -> int:
    """How long the content of the chunk is said to be that has its size at ``field``."""
    layout = LAYOUTS[mark]
    n_bytes = _number(file, field, layout.size_bytes, layout.order)
    if mark == b"RF64" and n_bytes == 0xFFFF_FFFF:
        n_bytes = _number(file, start + 28, 8, "little")
    if layout.counts_itself:
        n_bytes -= layout.name_bytes + layout.size_bytes
    return max(0, n_bytes)


def _number(file: BinaryIO, place: int, n_bytes: int, order: Literal["little", "big"]) -> int:
    """A size; one of eight bytes that would be beyond all measure is -1, as it is meant."""
    return int.from_bytes(read_at(file, place, n_bytes), order, signed=n_bytes == 8)


def _size_mended(mark: bytes, chunk: Chunk, start: int, n_bytes: int) -> dict[int, bytes]:
    """The field for the size of ``chunk``, in the container that begins at ``start``."""
    layout = LAYOUTS[mark]
    if mark == b"RF64":
        return {28: n_bytes.to_bytes(8, "little")}
    if layout.counts_itself:
        n_bytes += layout.name_bytes + layout.size_bytes
    n_most = (1 << 8 * layout.size_bytes) - 1
    return {chunk.field - start: min(n_bytes, n_most).to_bytes(layout.size_bytes, layout.order)}


def _is_name(name: bytes) -> bool:
    """Whether a chunk may be called so: then the one before it is empty indeed."""
    return len(name) == 4 and name.strip(b" ()_").isalnum()


def _flac_mended(file: BinaryIO, start: int) -> dict[int, bytes]:
    """The field for how many samples there are in the FLAC at ``start``: players do not look."""
    if read_at(file, start, 4) != b"fLaC":
        return {}
    # 36 bits of the eight bytes; 0 is "unknown".
    return {18: (int.from_bytes(read_at(file, start + 18, 8)) >> 36 << 36).to_bytes(8)}


def _mp3_part(file: BinaryIO, stream: Stream, size: int) -> Part:
    """One stream; without its count of frames where that is less than there are."""
    start, stop, count = stream.start, min(stream.stop, size), stream.count
    is_cut = stream.stop > size
    if count is None:
        return Part(file, [(start, stop)], claimed_size=BOUNDLESS, is_cut=is_cut)
    if count.n_frames < stream.n_frames - 1:
        return Part(file, [(start, stop)], {count.offset: bytes(4)}, BOUNDLESS, is_cut=is_cut)
    return Part(file, [(start, stop)], is_cut=is_cut or count.n_frames > stream.n_frames)
