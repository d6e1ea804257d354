"""Features of recordings by the pretrained networks; what was heard before is not heard again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from threading import Lock

import numpy as np

from soundloom.cache.files import Cache
from soundloom.common.keras_setup import keras_backend, start_keras
from soundloom.common.rows import Rows, RowsInMemory
from soundloom.evaluation.config import EvaluateConfig, FurtherEar
from soundloom.evaluation.features import FeatureSet, extract_features
from soundloom.evaluation.tagger import Tagger, TagResult

_STARTING = Lock()


def heard_before(config: EvaluateConfig) -> Cache:
    """What is known of audio by the same ears, heard by the same code on as many threads."""
    settings = [config.ears, config.threads, keras_backend()]
    return Cache("features", ("audio", "common", "evaluation"), settings)


class Listener:
    """Hears recordings at one sample rate, those alone that are not ``known``.

    Their features wait in ``rows``, see :func:`~soundloom.evaluation.features.extract_features`.
    Keras starts once there is something to hear: its start takes longer than all else takes then.
    """

    def __init__(
        self,
        config: EvaluateConfig,
        sample_rate_hz: int,
        known: Cache,
        rows: Callable[[], Rows] = RowsInMemory,
    ):
        self._config, self._sample_rate_hz, self._known = config, sample_rate_hz, known
        self._rows = rows

    def __call__(self, recordings: Mapping[str, np.ndarray], hop_seconds: float) -> FeatureSet:
        """See :func:`~soundloom.evaluation.features.extract_features`."""
        return extract_features(
            recordings,
            self._sample_rate_hz,
            self._tag,
            hop_seconds=hop_seconds,
            threads=self._config.threads,
            recall=self._known.recall,
            rows=self._rows,
        )

    def _tag(self, samples: np.ndarray, sample_rate_hz: int, hop_seconds: float) -> TagResult:
        with _STARTING:
            tagger = _tagger(tuple(self._config.ears), self._config.seed, self._config.threads)
        return tagger(samples, sample_rate_hz, hop_seconds)


@lru_cache(maxsize=1)
def _tagger(ears: tuple[FurtherEar, ...], seed: int, threads: int) -> Tagger:
    """The process's own: a worker elsewhere hears many recordings."""
    start_keras(seed, threads)
    from soundloom.evaluation.pretrained import load_tagger

    return load_tagger(ears)
