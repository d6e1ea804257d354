"""The listening page: one HTML file that plays, shows and explains what a variant made.

Everything is inside the file: audio as MP3, pictures as WebP, one style sheet and one script. A
content security policy admits these and nothing else, so the page asks no network for anything and
text from a recording's tags stays text. The same inputs give the same bytes.

``page.html.j2`` is the page; ``page.js`` plays, ``blind.js`` is the blind test.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Any

import jinja2

from soundloom.common.params import flattened
from soundloom.corpus.manifest import Manifest
from soundloom.figures.canvas import HEAT_MAP_RIGHT, LEFT
from soundloom.reporting.blind import BlindPair
from soundloom.reporting.explanations import explanation

CHART_WIDTH, CHART_HEIGHT = 640, 260
CHART_LEFT, CHART_RIGHT, CHART_TOP, CHART_BOTTOM = 64, 16, 16, 40
LOSSES = {"loss": "training loss", "val_loss": "validation loss"}
# Rows of the short table of an evaluation: numbers by their flattened names, and how they are read.
# Those of a further ear lie under ``ears.<name>``; the first ear's lie bare.
_DISTANCES = (("fad", ".0f"), ("kad", ".0f"), ("mad", ".1f"))
_ABSENT = "–"
_BESIDE = "\N{NO-BREAK SPACE}·\N{NO-BREAK SPACE}"  # on one line
_ROWS = {
    "Fine structure, times real to real": (("fine.ratio", ".2f"),),
    "Frame change, of held-out audio's": (("frame_change_ratio", ".2f"),),
    "Level, last 15 s from first, dB": (("level_change_db", ".1f"),),
    "Section changes · returns · chord changes a minute": (
        ("section_changes_per_minute", ".1f"),
        ("returns_per_minute", ".1f"),
        ("chord_changes_per_minute", ".0f"),
    ),
}


@dataclass(frozen=True)
class Sound:
    """Something to play: of a file of ``file_seconds``, the ``seconds`` from ``start_seconds`` on.

    The picture is of all of the file; ``link`` is where that lies, seen from the page.
    """

    mp3: bytes
    start_seconds: float
    seconds: float
    file_seconds: float
    link: str
    picture_webp: bytes | None

    def on_picture(self, seconds: float) -> float:
        """Where in the picture a time of the sound is, as a share of its width."""
        share = (self.start_seconds + seconds) / self.file_seconds
        return LEFT + share * (HEAT_MAP_RIGHT - LEFT)


@dataclass(frozen=True)
class Sample:
    """A generated continuation, its prompt, and what really followed where that is known.

    ``entry`` is the sample's entry in ``generated.json``: recording, clip, offset, seed.
    ``blind_pairs`` name the three sounds ``prompt``, ``generated`` and ``real``.
    """

    entry: Mapping[str, Any]
    prompt: Sound
    generated: Sound
    real: Sound | None
    blind_pairs: Sequence[BlindPair]


@dataclass(frozen=True)
class Pair:
    """A generated passage and the training passage most like it, to be compared by ear.

    ``entry`` is the pair's in ``pairs.json``: correlation, and where both were taken.
    """

    entry: Mapping[str, Any]
    generated: Sound
    training: Sound


@dataclass(frozen=True)
class Evaluation:
    """What was measured of generated audio, and alike of real audio and of the controls."""

    first_ear: str
    """The network whose distances lie bare in ``sets``; a further ear's are under its name."""
    sets: Mapping[str, Mapping[str, Any]]
    """Numbers of each set of recordings, in groups; the generated first."""
    tags: Mapping[str, Sequence[str]]
    """The top tags of sets, the likeliest first."""
    picture_png: bytes
    pairs: Sequence[Pair]


@dataclass(frozen=True)
class Table:
    """Rows of text under a heading; the first cell of each row names it."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Line:
    """One curve of a chart: SVG coordinates, and where its name is written."""

    key: str
    name: str
    points: str


@dataclass(frozen=True)
class Chart:
    """A loss chart in SVG coordinates; ticks are ``(position, label)``."""

    lines: tuple[Line, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    best: tuple[float, float] | None
    summary: str


def render(
    manifest: Manifest,
    samples: Iterable[Sample],
    params: Mapping[str, Any],
    metrics: Mapping[str, Any],
    history: Mapping[str, Sequence[float]],
    evaluation: Evaluation | None = None,
    n_more: int = 0,
) -> Iterator[str]:
    """The whole page as HTML, piece by piece: no more than one of ``samples`` is held at a time.

    ``params`` is ``params.yaml``, section by section; ``metrics`` holds a JSON document for each
    heading, whose ``warning``, if it has one, is shown first of all; ``history`` has the columns
    ``epoch``, ``loss`` and ``val_loss``, or is empty; ``n_more`` samples are not on the page.
    """
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_own_file),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "data_uri": _data_uri,
        "csp_hash": _csp_hash,
        "explanation": explanation,
        "for_script": _for_script,
    }
    return environment.get_template("page.html.j2").generate(
        style=_own_file("palette.css") + _own_file("page.css"),
        script=_own_file("page.js") + _own_file("blind.js"),
        manifest=manifest,
        model=params["model"]["name"],
        warnings=[document["warning"] for document in metrics.values() if "warning" in document],
        recordings=len({clip.recording for clip in manifest.clips}),
        minutes=sum(clip.n_samples for clip in manifest.clips) / manifest.sample_rate_hz / 60,
        credits={
            clip.recording: " · ".join(filter(None, (clip.title, clip.artist)))
            for clip in manifest.clips
        },
        licences=recordings_by_licence(manifest),
        samples=samples,
        n_more=n_more,
        chart=loss_chart(history),
        evaluation=evaluation,
        ears_table=ears_table(evaluation) if evaluation else None,
        evaluation_table=metric_table("All numbers", evaluation.sets) if evaluation else None,
        metrics=[metric_table(title, document) for title, document in metrics.items()],
        params=[param_table(section, values) for section, values in params.items()],
        chart_size={
            "width": CHART_WIDTH,
            "height": CHART_HEIGHT,
            "left": CHART_LEFT,
            "right": CHART_WIDTH - CHART_RIGHT,
            "foot": CHART_HEIGHT - CHART_BOTTOM,
        },
    )


def recordings_by_licence(manifest: Manifest) -> dict[str, list[str]]:
    """Names of the recordings under each licence known; artists are named, as licences ask."""
    under: dict[str, list[str]] = {}
    for clip in manifest.clips:
        if clip.licence:
            name = f"{clip.recording} ({clip.artist})" if clip.artist else clip.recording
            names = under.setdefault(clip.licence, [])
            if name not in names:
                names.append(name)
    return under


def ears_table(evaluation: Evaluation) -> Table:
    """FAD, KAD and MAD of every set by every ear, its fine structure and its form, in a few rows.

    What no set has is no row.
    """
    sets = evaluation.sets
    ears = dict.fromkeys(ear for numbers in sets.values() for ear in numbers.get("ears", {}))
    title = f"FAD · KAD · MAD by {evaluation.first_ear}"
    wanted: dict[str, tuple[tuple[str, str], ...]] = {title: _DISTANCES}
    for ear in ears:
        wanted[f"… by {ear}"] = tuple((f"ears.{ear}.{name}", form) for name, form in _DISTANCES)
    known = [flattened(numbers) for numbers in sets.values()]
    rows = [
        (row, *(_together(numbers, names) for numbers in known))
        for row, names in (wanted | _ROWS).items()
    ]
    some = tuple(row for row in rows if any(cell != _ABSENT for cell in row[1:]))
    return Table("By several ears, and what they miss", ("", *sets), some)


def _together(numbers: Mapping[str, Any], names: Sequence[tuple[str, str]]) -> str:
    """Numbers that are read together; one mark where all are absent."""
    cells = [format(numbers[name], form) if name in numbers else _ABSENT for name, form in names]
    return _BESIDE.join(cells) if set(cells) != {_ABSENT} else _ABSENT


def metric_table(title: str, document: Mapping[str, Any]) -> Table:
    """A table of any metrics: one column a group where all entries are groups, else one value."""
    groups = [flattened(group) for group in document.values() if isinstance(group, Mapping)]
    if len(groups) > 1 and len(groups) == len(document):
        names = list(dict.fromkeys(name for group in groups for name in group))
        rows = [(name, *(_text(group.get(name)) for group in groups)) for name in names]
        return Table(title, ("metric", *document), tuple(rows))
    return _value_table(title, "metric", document)


def param_table(section: str, values: Any) -> Table:
    """A table of the keys and values of a section of ``params.yaml``."""
    return _value_table(section, "key", values)


def loss_chart(history: Mapping[str, Sequence[float]]) -> Chart | None:
    """Place the loss curves in a chart; None when there is nothing to draw.

    Values that are not finite are left out. The best epoch is the one of least validation loss.
    """
    epochs = history.get("epoch", ())
    curves = {
        key: [(x, y) for x, y in zip(epochs, history[key], strict=True) if math.isfinite(y)]
        for key in LOSSES
        if key in history
    }
    curves = {key: points for key, points in curves.items() if points}
    if not curves:
        return None
    values = [y for points in curves.values() for _, y in points]
    y_ticks = nice_ticks(min(values), max(values))
    x_low, x_high = min(epochs), max(epochs)

    def place(x: float, y: float) -> tuple[float, float]:
        return _chart_x(_share(x, x_low, x_high)), _chart_y(_share(y, y_ticks[0], y_ticks[-1]))

    best = min(curves.get("val_loss", ()), key=lambda point: point[1], default=None)
    x_ticks = [tick for tick in nice_ticks(x_low, x_high) if x_low <= tick <= x_high]
    return Chart(
        lines=tuple(
            Line(key, LOSSES[key], " ".join("{:.1f},{:.1f}".format(*place(*p)) for p in points))
            for key, points in curves.items()
        ),
        x_ticks=tuple((place(x, 0)[0], f"{x:g}") for x in x_ticks if x == int(x)),
        y_ticks=tuple((place(0, y)[1], f"{y:g}") for y in y_ticks),
        best=place(*best) if best else None,
        summary=_summary(curves, best),
    )


def nice_ticks(low: float, high: float) -> list[float]:
    """A few evenly spaced round numbers that enclose ``low`` to ``high``."""
    span = (high - low) or abs(high) or 1.0
    magnitude = 10.0 ** math.floor(math.log10(span / 3))
    step = next(m * magnitude for m in (1, 2, 5, 10) if span / (m * magnitude) <= 5)
    first, last = math.floor(low / step), math.ceil(high / step)
    # Rounded to the step's own digits: 0.1 + 0.2 is to read 0.3.
    digits = max(0, -math.floor(math.log10(step)))
    return [round(number * step, digits) for number in range(first, max(last, first + 1) + 1)]


def _summary(
    curves: Mapping[str, Sequence[tuple[float, float]]], best: tuple[float, float] | None
) -> str:
    ends = ", ".join(
        f"{LOSSES[key]} {points[0][1]:.4g} → {points[-1][1]:.4g}" for key, points in curves.items()
    )
    n_epochs = max(len(points) for points in curves.values())
    chosen = f"; best at epoch {best[0]:g} ({best[1]:.4g})" if best else ""
    return f"{n_epochs} epochs: {ends}{chosen}."


def _share(value: float, low: float, high: float) -> float:
    return (value - low) / (high - low) if high > low else 0.5


def _chart_x(share: float) -> float:
    return CHART_LEFT + share * (CHART_WIDTH - CHART_LEFT - CHART_RIGHT)


def _chart_y(share: float) -> float:
    return CHART_HEIGHT - CHART_BOTTOM - share * (CHART_HEIGHT - CHART_TOP - CHART_BOTTOM)


def _value_table(title: str, what: str, document: Mapping[str, Any]) -> Table:
    rows = tuple((key, _text(value)) for key, value in flattened(document).items())
    return Table(title, (what, "value"), rows)


def _text(value: Any) -> str:
    """A value as a reader wants it: five digits of a number, yes or no, a list's items."""
    match value:
        case None:
            return _ABSENT
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.5g}"
        case list() | tuple():
            return ", ".join(_text(item) for item in value)
        case "":
            return "(empty)"
        case _:
            return str(value)


def _own_file(name: str) -> str:
    return resources.files("soundloom.reporting").joinpath(name).read_text(encoding="utf-8")


def _for_script(pairs: Sequence[BlindPair]) -> str:
    return json.dumps([asdict(pair) for pair in pairs])


def _data_uri(data: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"


def _csp_hash(text: str) -> str:
    """The source expression that admits exactly this inline script or style (CSP level 2)."""
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
