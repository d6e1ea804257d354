"""Every number on the page says what it is."""

import pytest

from params import REPOSITORY
from soundloom.common.io import read_json
from soundloom.reporting.explanations import explanation
from soundloom.reporting.page import Evaluation, ears_table, metric_table


@pytest.mark.parametrize("stage", ["evaluate", "train", "spectrogram", "generate", "explore"])
def test_every_number_of_metrics_is_explained(stage: str) -> None:
    table = metric_table("", read_json(REPOSITORY / "metrics" / f"{stage}.json"))
    assert table.rows
    assert [name for name, *_ in table.rows if not explanation(name)] == []


def test_every_set_and_every_row_of_the_short_table_is_explained() -> None:
    sets = read_json(REPOSITORY / "metrics" / "reference.json")
    table = ears_table(Evaluation("MSD_musicnn", sets, {}, b"", []))
    names = ["generated", *table.header[1:], *(name for name, *_ in table.rows)]
    assert [name for name in names if not explanation(name)] == []


def test_an_explanation_is_of_what_it_says() -> None:
    assert "interval" in explanation("ears.MSD_vgg.fad_low")
    assert explanation("ears.MSD_vgg.fad") == explanation("fad")
    assert explanation("dynamics.rms_dbfs_distance") != explanation("rms_dbfs")
    assert explanation("a number of tomorrow") == ""
