"""What a run says of itself on MLflow's page."""

from __future__ import annotations

from dataclasses import replace

from generated_project import HOSTILE_NAMES
from soundloom.experiments.summary import summary
from soundloom.experiments.variant import Variant

METRICS = {
    "train/val_loss": 0.0963, "train/baseline_val_loss/marginal": 1.4,
    "train/baseline_val_loss/last_step": 0.93, "evaluate/fad": 19.346, "reference/real/fad": 5.25,
    "evaluate/novelty/near_copies": 0.125,
}  # fmt: skip


def test_it_says_what_differs_how_good_it_is_and_how_to_come_back(variant: Variant) -> None:
    description = replace(
        variant.description,
        tags={"git.commit": "0123abcd" * 5},
        changes={"generate.temperature": ("1.0", "0.61")},
    )
    assert summary(replace(variant, description=description, metrics=METRICS), "f00") == (
        "Of commit `0123abc`: `generate.temperature` `1.0` → `0.61`\n\n"
        "**FAD 19.3** (real audio 5.25) · **near-copies 12%** · "
        "**validation loss 0.0963** (having learnt nothing 0.93)\n\n"
        "`soundloom restore f00` brings it back whole, "
        "`soundloom promote f00` makes its model the champion."
    )


def test_what_is_not_known_is_not_said(variant: Variant) -> None:
    assert summary(variant, "f00").startswith("Of no commit: parameters as committed\n\n")


def test_values_are_code_whatever_they_hold(variant: Variant) -> None:
    changes = {"dataset.folder.path": ("", "".join(HOSTILE_NAMES) + "`")}
    description = replace(variant.description, changes=changes)
    line = summary(replace(variant, description=description), "f00").splitlines()[0]
    assert line.count("`") == 6
