"""The pretrained networks that hear sets of recordings, with their published weights.

PyPI's ``musicnn`` 0.1.0 carries the weights (ISC licence); its own code needs TensorFlow 1 and is
never imported. The first ear, the tagger, is MSD_musicnn; MSD_vgg is another network on the same
data, MTT_musicnn the same network on other data: what pleases one of them by chance need not please
the others. Importing this module imports Keras: see ``common/keras_setup.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np

from soundloom.common.errors import SoundloomError
from soundloom.common.tensorflow_only import read_checkpoint
from soundloom.evaluation.config import FIRST_EAR, FURTHER_EARS
from soundloom.evaluation.musicnn import musicnn
from soundloom.evaluation.tagger import Tagger
from soundloom.evaluation.vgg import vgg

# Networks by the names of their checkpoints, whose variables their layers are named after.
_NETWORKS: dict[str, Callable[[], keras.Model]] = {
    FIRST_EAR: musicnn,
    "MSD_vgg": vgg,
    "MTT_musicnn": musicnn,
}
# Adam's state, which the checkpoint holds beside the weights.
_OPTIMISER_SUFFIXES = ("/Adam", "/Adam_1", "_power")


def load_tagger(ears: Sequence[str] = FURTHER_EARS) -> Tagger:
    """The tagger and further ``ears`` with the weights of the installed package ``musicnn``.

    Raises :class:`SoundloomError` when it is not installed or holds other weights.
    """
    tagger, *further = (network_of(checkpoint_weights(name), name) for name in (FIRST_EAR, *ears))
    return Tagger(tagger, dict(zip(ears, further, strict=True)))


def network_of(weights: Mapping[str, np.ndarray], name: str = FIRST_EAR) -> keras.Model:
    """Log-mel windows → tags and embeddings, with ``weights`` by their names in the checkpoint.

    Raises :class:`SoundloomError` when a weight is missing, left over or of another shape.
    """
    network, unused = _NETWORKS[name](), dict(weights)
    for layer in network.layers:
        for weight in layer.weights:
            known = f"{layer.name}/{weight.name}"
            found, shape = unused.pop(known, None), tuple(weight.shape)
            # Filters that span all features lie there as pictures one channel deep.
            if found is not None and found.ndim == len(shape) + 1 and found.shape[2] == 1:
                found = found.squeeze(2)
            if found is None or found.shape != shape:
                raise SoundloomError(
                    f"{name}: weight {known} should have shape {shape}; "
                    f"found {'none' if found is None else found.shape}"
                )
            weight.assign(found)
    if unused:
        raise SoundloomError(f"{name}: weights of no layer: {', '.join(sorted(unused))}")
    return network


def checkpoint_weights(name: str = FIRST_EAR) -> dict[str, np.ndarray]:
    """A network's weights by name, from the installed package, without the optimiser's state."""
    # Finding a package does not run it.
    package = find_spec("musicnn")
    if package is None or not package.submodule_search_locations:
        raise SoundloomError("the package musicnn 0.1.0 is not installed; its weights are needed")
    folder = Path(package.submodule_search_locations[0]) / name
    if not (folder / ".index").is_file():
        raise SoundloomError(f"{folder}: holds no checkpoint; musicnn 0.1.0 has one there")
    # The checkpoint's files have no name but their endings.
    variables = read_checkpoint(f"{folder}/")
    return {
        variable: value
        for variable, value in variables.items()
        if not variable.endswith(_OPTIMISER_SUFFIXES)
    }
