"""Windows in TFRecord shards, by tf.data: with ``tensorflow_only.py`` all that names TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from soundloom.common.io import written_aside
from soundloom.pairs.windows import Batches, epoch_order


def write_shards(folder: Path, prefix: str, batches: Batches, shard_windows: int) -> list[Path]:
    """Write windows, in the order of epoch 0, as ``<prefix>-00000.tfrecord`` and so on.

    Each record is a ``tf.train.Example`` with ``window`` (float16, little-endian, row by row) and
    its ``shape``.
    """
    windows = (window for batch in batches.epoch(0) for window in batch)
    files: list[Path] = []
    for first in windows:
        path = folder / f"{prefix}-{len(files):05d}.tfrecord"
        with written_aside(path) as aside, tf.io.TFRecordWriter(str(aside)) as writer:
            writer.write(_serialise(first))
            for _, window in zip(range(shard_windows - 1), windows, strict=False):
                writer.write(_serialise(window))
        files.append(path)
    return files


class TFRecordBatches:
    """The batches of :class:`~soundloom.pairs.windows.WindowBatches`, from shards by tf.data."""

    def __init__(
        self,
        shards: list[Path],
        *,
        n_windows: int,
        shard_windows: int,
        batch_size: int,
        seed: int | None,
    ):
        self._shards = shards
        self._n_windows = n_windows
        self._shard_windows = shard_windows
        self._batch_size = batch_size
        self._seed = seed

    def __len__(self) -> int:
        """Batches in an epoch."""
        return -(-self._n_windows // self._batch_size)

    def epoch(self, number: int) -> Iterator[np.ndarray]:
        """The batches of one epoch: ``(≤ batch_size, window_frames + 1, n_bins)`` float32."""
        if self._seed is None:
            rows = np.arange(self._n_windows)
            order = np.split(rows, range(self._shard_windows, self._n_windows, self._shard_windows))
        else:
            rng = np.random.default_rng([self._seed, number])
            order = epoch_order(self._n_windows, self._shard_windows, rng)
        windows = tf.data.Dataset.from_generator(
            lambda: map(self._shuffled_shard, order),
            output_signature=tf.TensorSpec((None, None, None), tf.float32),
        )
        yield from windows.unbatch().batch(self._batch_size).as_numpy_iterator()

    def _shuffled_shard(self, rows: np.ndarray) -> tf.Tensor:
        """The windows of one shard, in the order of ``rows``; all of one shard's rows are given."""
        first = int(rows.min())
        records = tf.data.TFRecordDataset(str(self._shards[first // self._shard_windows]))
        windows = records.map(_parse).batch(len(rows)).get_single_element()
        return tf.gather(windows, rows - first)


def _serialise(window: np.ndarray) -> bytes:
    feature = {
        "window": tf.train.Feature(
            bytes_list=tf.train.BytesList(value=[window.astype("<f2").tobytes()])
        ),
        "shape": tf.train.Feature(int64_list=tf.train.Int64List(value=window.shape)),
    }
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString(
        deterministic=True
    )


def _parse(record: tf.Tensor) -> tf.Tensor:
    example = tf.io.parse_single_example(
        record,
        {
            "window": tf.io.FixedLenFeature([], tf.string),
            "shape": tf.io.FixedLenFeature([2], tf.int64),
        },
    )
    window = tf.reshape(tf.io.decode_raw(example["window"], tf.float16), example["shape"])
    return tf.cast(window, tf.float32)
