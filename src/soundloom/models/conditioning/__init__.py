"""Features that a model has beside the latents it continues: one file a kind, behind one protocol.

``base`` is the protocol; ``KINDS`` names the kinds for ``model.conditioning``. To add one: a file
here, its entry in ``KINDS``, its name in ``models/config.py``, and its tests.
"""

from __future__ import annotations

from soundloom.models.conditioning.bar_lags import BarLags
from soundloom.models.conditioning.base import Conditioning, Features, Sequences, Widths
from soundloom.models.conditioning.beat_clock import BeatClock
from soundloom.models.conditioning.harmony_plan import HarmonyPlan
from soundloom.models.conditioning.style import Style

__all__ = ["KINDS", "Conditioning", "Features", "Sequences", "Widths"]

KINDS: dict[str, type[Conditioning]] = {
    "style": Style,
    "beat_clock": BeatClock,
    "bar_lags": BarLags,
    "harmony_plan": HarmonyPlan,
}
"""In the order in which they are applied, and draw what they withhold in training."""
