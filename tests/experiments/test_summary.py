"""What a run says of itself on MLflow's page."""

from __future__ import annotations

from dataclasses import replace

import pytest

from generated_project import HOSTILE_NAMES
from soundloom.experiments.summary import live_summary, summary
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


def test_it_ends_with_what_its_training_said(variant: Variant) -> None:
    said = summary(replace(variant, in_words="it predicts well; more may help"), "f00")
    assert said.endswith(" the champion.\n\nIt predicts well; more may help.")


@pytest.mark.parametrize(
    ("seconds_left", "baselines", "heard", "said"),
    [
        (
            250.0, {"mean": 1.4, "last": 0.935}, False,
            "Epoch 6 of 18, about 4 min left\n\n"
            "**validation loss 0.31** (having learnt nothing 0.935: it learns)",
        ),
        (
            29.0, {"last": 0.25}, False,
            "Epoch 6 of 18, less than a minute left\n\n"
            "**validation loss 0.31** (having learnt nothing 0.25: no better so far)",
        ),
        (
            9000.0, {}, True,
            "Epoch 6 of 18, about 2.5 h left\n\n**validation loss 0.31**\n\n"
            "Hear it learn: what it made of one prompt is under *Artifacts*, `listen`.",
        ),
        (None, {}, False, "Epoch 6 of 18\n\n**validation loss 0.31**"),
    ],
)  # fmt: skip
def test_while_it_trains_it_says_how_far_it_is_and_what_the_loss_means(
    seconds_left: float | None, baselines: dict[str, float], heard: bool, said: str
) -> None:
    row = {"epoch": 6, "loss": 0.4, "val_loss": 0.31}
    found = live_summary(row, 18, baselines, seconds_left=seconds_left, heard=heard)
    assert found == said


def test_what_is_not_known_is_not_said(variant: Variant) -> None:
    assert summary(variant, "f00").startswith("Of no commit: parameters as committed\n\n")


def test_values_are_code_whatever_they_hold(variant: Variant) -> None:
    changes = {"dataset.folder.path": ("", "".join(HOSTILE_NAMES) + "`")}
    description = replace(variant.description, changes=changes)
    line = summary(replace(variant, description=description), "f00").splitlines()[0]
    assert line.count("`") == 6
