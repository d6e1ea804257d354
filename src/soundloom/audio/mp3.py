"""The streams in an MP3 file: runs of frames, cut where there are none, or others begin.

Frames of MPEG-1, 2 and 2.5, layer III, as ISO/IEC 11172-3 and 13818-3 have them. Encoders begin a
stream with a frame that holds no sound but how many follow, marked "Xing" or "Info".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

# kbit/s by the index in a frame's header, from 1 on: of MPEG-1, and of 2 and 2.5.
KBITS_1 = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
KBITS_2 = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
# By the version's number in the header: MPEG-1, 2, 2.5.
RATES_HZ = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}

# The number of frames, where the flags before it say that it is there. Where it is believed, all
# between the frame's header, with the sum that may check it, and the mark is zero.
COUNT = re.compile(rb".{6}\0*(?:Xing|Info)...[\x01\x03\x05\x07\x09\x0b\x0d\x0f](.{4})", re.DOTALL)
HEAD_BYTES = 64  # of a frame, within which that is

BLOCK_BYTES = 1 << 16

# What may lie before the first frame: what is left of one, or of a tag longer than it says.
MAX_JUNK_BYTES = 1 << 20


class Frame(NamedTuple):
    """What a frame's header says; all frames of a stream are of one ``kind``."""

    kind: tuple[int, int, bool]
    n_bytes: int


class Count(NamedTuple):
    """How many frames a stream's first one says there are, ``offset`` bytes into the stream."""

    offset: int
    n_frames: int


@dataclass
class Stream:
    """Bytes ``start`` to ``stop`` of a file, which hold ``n_frames``, the one that counts too."""

    start: int
    stop: int
    count: Count | None
    n_frames: int = 0


def mp3_streams(file: BinaryIO, begin: int) -> Iterator[Stream]:
    """The streams in ``file``, of which the first frame is at ``begin``, or behind what is damaged.

    There are none if neither something is marked as a frame at ``begin``, nor frames begin a little
    behind it.
    """
    stream, kind = None, None
    for start, frame, head in _frames(file, begin):
        found = COUNT.match(head)
        if stream is None or frame.kind != kind or found or start > stream.stop:
            if stream:
                yield stream
            kind = frame.kind
            count = Count(found.start(1) - 8, int.from_bytes(found[1])) if found else None
            stream = Stream(start, start, count)
        stream.stop = start + frame.n_bytes
        stream.n_frames += 1
    if stream:
        yield stream


def read_at(file: BinaryIO, position: int, size: int) -> bytes:
    """Up to ``size`` bytes of ``file`` from ``position`` on."""
    file.seek(position)
    return file.read(size)


def after_id3(file: BinaryIO, position: int = 0) -> int:
    """Where the ID3v2 tag that begins at ``position`` ends; ``position`` if none does."""
    head = read_at(file, position, 10)
    if len(head) < 10 or not head.startswith(b"ID3"):
        return position
    size = 0
    for byte in head[6:]:  # seven bits in each
        size = size << 7 | byte & 0x7F
    has_footer = head[5] & 0x10
    return position + 10 + size + (10 if has_footer else 0)


def _frames(file: BinaryIO, begin: int) -> Iterator[tuple[int, Frame, bytes]]:
    """Every frame: where it begins, what its header says, and its first ``HEAD_BYTES``.

    Where a frame ends, another of its kind begins. Elsewhere, in damaged parts and behind tags, a
    run of them is asked for, as what marks a frame also occurs by chance.
    """
    position, expected = begin, None
    is_marked = int.from_bytes(read_at(file, begin, 2)) & 0xFFE0 == 0xFFE0
    may_begin = None if is_marked else begin + MAX_JUNK_BYTES
    while len(head := read_at(file, position, HEAD_BYTES)) >= 4:
        frame = _frame(head)
        if frame and (frame.kind == expected or _begins_run(file, position, frame)):
            yield position, frame, head
            position, expected = position + frame.n_bytes, frame.kind
            may_begin = None
        else:
            expected = None
            position = next_mark(
                file, max(after_id3(file, position), position + 1), b"\xff", may_begin
            )
            if may_begin and position >= may_begin:
                return


def _begins_run(file: BinaryIO, position: int, frame: Frame) -> bool:
    """Whether two more of its kind follow a frame, or one at the end of the file."""
    first = position + frame.n_bytes
    following = _frame(read_at(file, first, 4))
    if following is None or following.kind != frame.kind:
        return False
    head = read_at(file, first + following.n_bytes, 4)
    second = _frame(head)
    return len(head) < 4 or (second is not None and second.kind == frame.kind)


def _frame(head: bytes) -> Frame | None:
    """What the header says that ``head`` begins with, if it is one."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:  # 11 bits of mark; layer III
        return None
    version, bitrate, rate = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    if version not in RATES_HZ or bitrate in (0, 15) or rate == 3:
        return None
    rate_hz = RATES_HZ[version][rate]
    n_samples, kbits = (1152, KBITS_1) if version == 3 else (576, KBITS_2)
    padding = head[2] >> 1 & 1
    is_mono = head[3] >> 6 == 3
    n_bytes = n_samples // 8 * 1000 * kbits[bitrate - 1] // rate_hz + padding
    return Frame((version, rate_hz, is_mono), n_bytes)


def next_mark(file: BinaryIO, position: int, mark: bytes, stop: int | None = None) -> int:
    """Where from ``position`` on ``mark`` is, or else ``stop``, or where the file ends."""
    while (stop is None or position < stop) and (block := read_at(file, position, BLOCK_BYTES)):
        offset = block.find(mark)
        if offset >= 0:
            return position + offset
        position += max(1, len(block) - len(mark) + 1)
    return position if stop is None else stop
