"""The listening page as text: what it says, what it never says, and what is inside it."""

import base64
import io
import json
import re
import shutil
import weakref
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr

from generated_project import (
    HISTORY,
    HOSTILE_NAME,
    HOSTILE_NAMES,
    LONG_NAME,
    SECONDS,
    add_evaluation,
    make_project,
)
from params import small_config
from soundloom.common.errors import SoundloomError
from soundloom.common.io import read_json, write_json
from soundloom.corpus.files import read_manifest
from soundloom.reporting.page import (
    Evaluation,
    ears_table,
    loss_chart,
    metric_table,
    nice_ticks,
    recordings_by_licence,
)
from soundloom.stages import report as stage


class Reader(HTMLParser):
    """Collects words and attributes of a page, and checks that its elements close in order."""

    VOID = frozenset({"meta", "link", "img", "line", "polyline", "circle", "br"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        explains = self.open[-2:] == ["th", "details"]  # opened by the name, which is read
        if self.open and self.open[-1] not in ("style", "script") and not explains:
            self.text = " ".join([*self.text.split(), *data.split()])

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    make_project(folder)
    return folder


@pytest.fixture(scope="module")
def page(project: Path) -> Reader:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        stage.main()
        return Reader(stage.LISTEN_FILE.read_text(encoding="utf-8"))


def test_every_sound_is_inside_and_as_it_was_and_its_file_is_linked(
    page: Reader, project: Path
) -> None:
    players = page.all("audio")
    files = ["prompts/prompt_00", "samples/sample_00", "real/real_00"]
    files += ["prompts/prompt_01", "samples/sample_01"]
    assert len(players) == len(files) == len(SECONDS)
    links = [link["href"] for link in page.all("a") if link.get("class") == "file"]
    assert links == [f"../data/generated/{file}.wav" for file in files]
    for player, file in zip(players, files, strict=True):
        shipped, rate_hz = heard(player)
        written, written_rate_hz = soundfile.read(project / f"data/generated/{file}.wav")
        assert rate_hz == 22_050, "all that the corpus has, whatever the file's rate"
        written = soxr.resample(written, written_rate_hz, rate_hz)
        assert shipped.shape == written.shape
        inner = slice(1000, -1000)  # a tone that begins out of nothing spreads
        assert np.abs(shipped - written)[inner].max() < 0.02, "of 0.3"


def heard(player: dict[str, str | None]) -> tuple[np.ndarray, int]:
    """What a player plays, and its rate."""
    head, data = (player["src"] or "").split(",")
    assert head == "data:audio/mpeg;base64"
    return soundfile.read(io.BytesIO(base64.b64decode(data)))


def test_of_long_sounds_the_end_of_a_prompt_and_the_beginning_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stage, "MAX_SECONDS", 2.0)
    monkeypatch.setattr(stage, "MAX_PROMPT_SECONDS", 0.25)
    monkeypatch.setattr(stage, "MAX_SAMPLES", 1)
    loud_half = np.repeat([0.0, 0.5], 11_025) * np.sin(np.arange(22_050))
    soundfile.write("data/generated/prompts/prompt_00.wav", loud_half, 22_050)
    stage.main()
    page = Reader(stage.LISTEN_FILE.read_text(encoding="utf-8"))
    assert "what the model continues, the last 0.2 s of 1.0 s" in page.text
    assert "the model's continuation, the first 2.0 s of 2.5 s" in page.text
    assert "1 more is in data/generated/samples" in page.text
    prompt, generated, _ = page.all("audio")
    assert len(heard(prompt)[0]) == 5512
    assert np.abs(heard(prompt)[0][1000:4000]).max() > 0.4, "its end"
    assert len(heard(generated)[0]) == 44_100
    edges = [
        (float(figure["data-left"] or 0), float(figure["data-right"] or 0))
        for figure in page.all("figure")
        if "data-left" in figure
    ]
    # Axes reach from 0.09 to 0.91 of a picture, and show all of the file.
    assert edges[0] == pytest.approx((0.09 + 0.75 * 0.82, 0.91), abs=1e-3)
    assert edges[1] == pytest.approx((0.09, 0.09 + 0.8 * 0.82), abs=1e-3)


def test_what_one_sample_needs_is_let_go_of_before_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    entries = read_json(Path("data/generated/generated.json"))["samples"]
    samples = stage.load_samples(entries, 22_050)
    first = weakref.ref(next(samples))
    assert first() is None
    assert next(samples).real is None


def test_pictures_are_inside_and_described(page: Reader) -> None:
    pictures = page.all("img")
    assert len(pictures) == len(SECONDS)
    for picture in pictures:
        assert (picture["src"] or "").startswith("data:image/webp;base64,UklGR")
        assert (picture["alt"] or "").startswith("Spectrogram of the ")


def test_nothing_is_asked_of_a_network_and_the_policy_says_so(page: Reader) -> None:
    for _, attributes in page.elements:
        for name in ("src", "href", "action", "data"):
            assert (attributes.get(name) or "data:").startswith(("data:", "#", "../data/"))
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
    (policy,) = (
        meta["content"]
        for meta in page.all("meta")
        if meta.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert "http" not in policy


def test_names_and_licences_are_text_whatever_they_hold(page: Reader) -> None:
    assert len(page.all("script")) == 1
    assert f"Sample 1: after {HOSTILE_NAME}" in page.text
    assert f"{HOSTILE_NAME} (Ann <b>)" in page.text
    assert "You are free to <share>." in page.text
    assert "1 recording under CC BY-SA 3.0" in page.text


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_recording_may_have_any_name(
    name: str, page: Reader, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = page
    shutil.copytree(project, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    for file in ("data/raw/manifest.json", "data/generated/generated.json"):
        # One name stands for all recordings, artists and licences.
        document = json.dumps(read_json(tmp_path / file))
        for known in (HOSTILE_NAME, LONG_NAME, "track_02", "Ann <b>"):
            document = document.replace(json.dumps(known), json.dumps(name))
        write_json(tmp_path / file, json.loads(document))
    stage.main()
    page = Reader(stage.LISTEN_FILE.read_text(encoding="utf-8"))
    shown = " ".join(name.split())
    assert page.text.count(f"after {shown}") == 2
    assert f"{shown} ({shown})" in page.text
    # Nothing of it is taken for anything but text, and no sound has gone.
    assert page.elements == before.elements


def test_the_page_says_what_it_is_of(page: Reader) -> None:
    text = page.text
    assert "Genre rock" in text
    assert "Source builtin" in text
    assert "Recordings 2 Clips 3 (1.2 min) Left out 1 Model density" in text
    assert "prompt taken at 12.5 s · seed 1 · sample_01.wav" in text
    assert "what the recording did next, 2.2 s" in text
    assert text.count("what the recording did next") == 1
    assert "make repro" in text


def test_params_and_metrics_are_shown(page: Reader) -> None:
    text = page.text
    assert "amplitude db" in text
    assert f"builtin.n_tracks {small_config().dataset.builtin.n_tracks} " in text
    assert "conditioning style, beat_clock, bar_lags, harmony_plan" in text
    assert "loss 0.12346 epochs 3" in text
    assert "metric clip_00 clip_01 tempo_bpm 117.45 118.45" in text
    assert "experiment" not in text, "track's section is no concern of this page"


def test_the_evaluation_is_shown_and_its_pairs_play(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_project(tmp_path)
    add_evaluation(tmp_path)
    monkeypatch.chdir(tmp_path)
    stage.main()
    page = Reader(stage.LISTEN_FILE.read_text(encoding="utf-8"))
    assert "metric generated real noise fad 20.5 5.25 190 rhythm.ratio 1.5 – –" in page.text
    assert "By several ears, and what they miss" in page.text
    assert "rhythm.tempo_bpm_distance 0.5 – –" in page.text, "every number of metrics is here"
    assert "Tags of generated audio metal, rock Tags of held-out audio rock, metal" in page.text
    assert "Pair 1: correlation 0.62" in page.text
    assert "sample_01 at 1.2 s, 0.5 s" in page.text
    assert f"{' '.join(HOSTILE_NAME.split())} at 12.5 s, 0.5 s" in page.text
    assert len(page.all("audio")) == len(SECONDS) + 2
    shown = "data:image/png;base64," + base64.b64encode(
        (tmp_path / "data/evaluated/figures/distances.png").read_bytes()
    ).decode("ascii")
    assert shown in [image["src"] for image in page.all("img")]


def test_several_ears_lie_side_by_side() -> None:
    heard = {"fad": 31.4, "kad": 84.0, "mad": 2.25, "fad_low": 20.0}
    sets: dict[str, dict[str, Any]] = {
        "generated": {
            "fad": 18.6, "kad": 35.0, "mad": 1.0, "ears": {"MSD_vgg": heard},
            "fine": {"ratio": 1.724}, "frame_change_ratio": 0.56,
            "level_change_db": 0.84,
        },
        "real": {"fad": 8.4, "kad": 2.5, "ears": {"MSD_vgg": heard}, "fine": {}},
    }  # fmt: skip
    table = ears_table(Evaluation("MSD_musicnn", sets, {}, b"", []))
    assert table.header == ("", "generated", "real")
    rows = tuple(tuple(cell.replace("\N{NO-BREAK SPACE}", " ") for cell in r) for r in table.rows)
    assert rows == (
        ("FAD · KAD · MAD by MSD_musicnn", "19 · 35 · 1.0", "8 · 2 · –"),
        ("… by MSD_vgg", "31 · 84 · 2.2", "31 · 84 · 2.2"),
        ("Fine structure, times real to real", "1.72", "–"),
        ("Frame change, of held-out audio's", "0.56", "–"),
        ("Level, last 15 s from first, dB", "0.8", "–"),
    )


def test_other_music_is_explained_where_it_is_in_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_project(tmp_path)
    add_evaluation(tmp_path)
    monkeypatch.chdir(tmp_path)
    numbers = read_json(tmp_path / "metrics/reference.json")
    for sets in (numbers, numbers | {"other_music": {"fad": 90.0}}):
        write_json(tmp_path / "metrics/reference.json", sets)
        stage.main()
        page = Reader(stage.LISTEN_FILE.read_text(encoding="utf-8"))
        assert ("other music is a band" in page.text) == ("other_music" in sets)
        assert "prompt loop repeats the end of a prompt" in page.text


def test_the_same_inputs_give_the_same_bytes(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    pages = []
    for _ in range(2):
        stage.main()
        pages.append(stage.LISTEN_FILE.read_bytes())
    assert pages[0] == pages[1]
    assert str(project).encode() not in pages[0]


def test_without_metrics_history_or_pictures_the_page_still_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_project(tmp_path)
    for file in [*tmp_path.glob("metrics/*"), *tmp_path.glob("data/generated/spectrograms/*")]:
        file.unlink()
    monkeypatch.chdir(tmp_path)
    stage.main()
    page = Reader(stage.LISTEN_FILE.read_text(encoding="utf-8"))
    assert len(page.all("audio")) == len(SECONDS)
    assert page.all("img") == page.all("svg") == []
    assert "Metrics" not in page.text


def test_a_missing_or_broken_sound_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    sound = Path("data/generated/real/real_00.wav")
    sound.write_bytes(b"not a sound")
    with pytest.raises(SoundloomError, match=r"real_00\.wav: cannot be read as audio"):
        stage.main()
    sound.unlink()
    with pytest.raises(SoundloomError, match=r"real_00\.wav: cannot be read as audio"):
        stage.main()
    assert not stage.LISTEN_FILE.exists()


def test_loss_chart_places_points_between_its_ticks() -> None:
    nan = float("nan")
    history = {"epoch": [1.0, 2.0, 3.0], "loss": [0.4, 0.2, 0.1], "val_loss": [0.42, 0.25, nan]}
    chart = loss_chart(history)
    assert chart is not None
    training, validation = (
        [tuple(map(float, point.split(","))) for point in line.points.split()]
        for line in chart.lines
    )
    assert len(training) == 3
    assert len(validation) == 2, "a value that is no number is left out"
    heights = {label: y for y, label in chart.y_ticks}
    for (_, y), label in zip(training, ("0.4", "0.2", "0.1"), strict=True):
        assert y == pytest.approx(heights[label], abs=0.05)
    assert [x for x, _ in training] == pytest.approx([64, 344, 624])
    assert chart.best == pytest.approx(validation[1], abs=0.05)
    assert "best at epoch 2 (0.25)" in chart.summary
    assert loss_chart({}) is None
    assert loss_chart({"epoch": [1], "loss": [float("nan")]}) is None


def test_history_is_read_by_column(tmp_path: Path) -> None:
    file = tmp_path / "history.csv"
    file.write_text(HISTORY)
    assert stage.load_history(file)["val_loss"] == [0.42, 0.25, 0.30]
    file.write_text("epoch,loss,val_loss\n1,0.5,\n")
    one = stage.load_history(file)
    assert one["loss"] == [0.5]
    assert np.isnan(one["val_loss"]).all()
    assert loss_chart(one) is not None


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.012, 0.041, [0.01, 0.02, 0.03, 0.04, 0.05]),
        (1, 50, [0, 10, 20, 30, 40, 50]),
        (0, 0, [0, 0.2]),
        (-3, 3, [-4, -2, 0, 2, 4]),
    ],
)
def test_ticks_are_round_and_enclose(low: float, high: float, ticks: list[float]) -> None:
    assert nice_ticks(low, high) == ticks


def test_metric_tables() -> None:
    flat = metric_table("T", {"a": 1, "b": {"c": 2.0, "d": None}, "e": True, "f": [1, "x"]})
    assert flat.rows == (("a", "1"), ("b.c", "2"), ("b.d", "–"), ("e", "yes"), ("f", "1, x"))
    grouped = metric_table("T", {"x": {"m": 1}, "y": {"m": 123456, "n": 0.1234567}})
    assert grouped.header == ("metric", "x", "y")
    assert grouped.rows == (("m", "1", "123456"), ("n", "–", "0.12346"))


def test_recordings_without_a_licence_are_not_listed(project: Path) -> None:
    manifest = read_manifest(project / "data/raw/manifest.json")
    (names,) = recordings_by_licence(manifest).values()
    assert names == [f"{HOSTILE_NAME} (Ann <b>)"]


def test_ids_are_unique_and_labels_point_at_something(page: Reader) -> None:
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.elements:
        for name in ("aria-labelledby", "data-first", "data-second"):
            for reference in re.split(r"\s+", attributes.get(name) or ids[0] or ""):
                assert reference in ids


def test_what_a_training_warned_of_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_project(tmp_path)
    file = tmp_path / "metrics" / "train.json"
    write_json(file, {**read_json(file), "warning": "worse than <nothing>"})
    monkeypatch.chdir(tmp_path)
    stage.main()
    page = Reader(stage.LISTEN_FILE.read_text(encoding="utf-8"))
    assert page.text.index("Warning: worse than <nothing>.") < page.text.index("Sample 1:")


def test_a_training_that_warned_of_nothing_is_not_warned_of(page: Reader) -> None:
    assert "Warning" not in page.text
