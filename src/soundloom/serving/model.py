"""A prompt's audio in, its continuation out: a trained generator as MLflow loads and serves it.

MLflow runs this file, out of the copy of the package that a run's model carries along ("models from
code"): nothing is pickled. What comes out is, byte for byte, what ``soundloom generate`` writes.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc import PythonModel, PythonModelContext

from soundloom.common.errors import SoundloomError, UnusableAudio, warn, warning_of
from soundloom.common.params import with_keys
from soundloom.common.threads import one_thread_for_linear_algebra
from soundloom.generation.config import GenerateConfig


class Generator(PythonModel):
    """Continues every prompt of a table by itself."""

    def load_context(self, context: PythonModelContext) -> None:
        """Start Keras and read the generator; what is not asked for is as in its run's params."""
        self._config = GenerateConfig.parse({"generate": context.model_config}, "the model")
        one_thread_for_linear_algebra()
        from threadpoolctl import threadpool_limits

        # For the libraries that the server has loaded already, which read the above as they load.
        threadpool_limits(1)
        from soundloom.common.keras_setup import start_keras

        start_keras(self._config.seed, self._config.threads)
        from soundloom.generation.continuation import why_no_sections
        from soundloom.models.files import load_generator

        self._model, self._codec = load_generator(Path(context.artifacts["generator"]))
        if why := why_no_sections(self._model, self._config):
            warn(why)

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Continue the audio files in column ``prompt``; ``wav`` has a WAV file for each.

        ``params`` may hold ``seconds``, ``temperature`` and ``seed``, in the ranges of section
        ``generate``. Raises ``MlflowException``, which a server answers with status 400, for a
        value out of range and a prompt that cannot be used.
        """
        given = {f"generate.{name}": value for name, value in (params or {}).items()}
        try:
            document = with_keys({"generate": self._config.model_dump()}, given)
            config = GenerateConfig.parse(document, "params")
            wavs = [self._continued(prompt, config) for prompt in model_input["prompt"]]
        except SoundloomError as error:
            reason = f"prompt: {error.reason}" if isinstance(error, UnusableAudio) else str(error)
            raise MlflowException(reason, INVALID_PARAMETER_VALUE) from None
        return pd.DataFrame({"wav": wavs})

    def _continued(self, prompt: bytes, config: GenerateConfig) -> bytes:
        """The file ``prompt`` → its continuation as a WAV file."""
        from soundloom.audio.files import write_audio
        from soundloom.generation.continuation import continue_prompts
        from soundloom.generation.files import read_prompt

        with tempfile.TemporaryDirectory() as folder:
            given, made = Path(folder, "prompt"), Path(folder, "made.wav")
            given.write_bytes(prompt)
            tell = warning_of("prompt")
            samples = read_prompt(given, config.prompt_seconds, self._codec, tell).samples
            (continuation,) = continue_prompts(self._model, self._codec, [samples], config)
            write_audio(made, continuation.samples, config.sample_rate_hz)
            return made.read_bytes()


set_model(Generator())
