"""Features of recordings by the pretrained networks; what was heard before is not heard again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from threading import Lock

import numpy as np

from soundloom.cache.files import Cache
from soundloom.common.keras_setup import start_keras
from soundloom.evaluation.config import EvaluateConfig
from soundloom.evaluation.features import RecordingFeatures, extract_features
from soundloom.evaluation.tagger import Tagger, TagResult


def heard_before(config: EvaluateConfig) -> Cache:
    """What is known of audio by the same ears, heard by the same code on as many threads."""
    settings = [config.ears, config.threads, os.environ.get("KERAS_BACKEND")]
    return Cache("features", ("audio", "common", "evaluation"), settings)


class Listener:
    """Hears recordings at one sample rate, those alone that are not ``known``.

    Keras starts once there is something to hear: its start takes longer than all else takes then.
    """

    def __init__(self, config: EvaluateConfig, sample_rate_hz: int, known: Cache):
        self._config, self._sample_rate_hz, self._known = config, sample_rate_hz, known
        self._starting = Lock()

    def __call__(
        self, recordings: Mapping[str, np.ndarray], hop_seconds: float
    ) -> list[RecordingFeatures]:
        """See :func:`~soundloom.evaluation.features.extract_features`."""
        return extract_features(
            recordings,
            self._sample_rate_hz,
            self._tag,
            hop_seconds=hop_seconds,
            threads=self._config.threads,
            recall=self._known.recall,
        )

    def _tag(self, samples: np.ndarray, sample_rate_hz: int, hop_seconds: float) -> TagResult:
        with self._starting:
            tagger = self._tagger
        return tagger(samples, sample_rate_hz, hop_seconds)

    @cached_property
    def _tagger(self) -> Tagger:
        start_keras(self._config.seed, self._config.threads)
        from soundloom.evaluation.pretrained import load_tagger

        return load_tagger(self._config.ears)
