"""What a run says of itself, in Markdown, at the head of its page in MLflow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from soundloom.experiments.variant import Variant

_WAYS_BACK = (
    "`soundloom restore {0}` brings it back whole, "
    "`soundloom promote {0}` makes its model the champion."
)


def summary(variant: Variant, run_id: str) -> str:
    """What differs from its commit, the three numbers that matter, and how to come back to it.

    The page shows two or three lines before one asks for more: each of these is one.
    """
    parts = (
        _changes(variant), " · ".join(_numbers(variant)), _WAYS_BACK.format(run_id),
        _sentence(variant.in_words),
    )  # fmt: skip
    return "\n\n".join(part for part in parts if part)


def live_summary(
    row: Mapping[str, float],
    n_epochs: int,
    baselines: Mapping[str, float],
    *,
    seconds_left: float | None,
    heard: bool,
) -> str:
    """How far a training is after an epoch, and what its loss means beside the baselines'.

    ``heard``: whether there are takes to listen to.
    """
    left = "" if not seconds_left else f", {_duration(seconds_left)} left"
    loss, nothing = row["val_loss"], min(baselines.values(), default=None)
    beside = ""
    if nothing is not None:
        so_far = "it learns" if loss < nothing else "no better so far"
        beside = f" (having learnt nothing {nothing:.3g}: {so_far})"
    parts = [f"Epoch {row['epoch']:.0f} of {n_epochs}{left}"]
    parts.append(f"**validation loss {loss:.3g}**{beside}")
    if heard:
        parts.append("Hear it learn: what it made of one prompt is under *Artifacts*, `listen`.")
    return "\n\n".join(parts)


def _changes(variant: Variant) -> str:
    tags, changes = variant.description.tags, variant.description.changes
    commit = f"commit {_code(tags['git.commit'][:7])}" if "git.commit" in tags else "no commit"
    listed = [f"{_code(key)} {_code(was)} → {_code(now)}" for key, (was, now) in changes.items()]
    return f"Of {commit}: {', '.join(listed) or 'parameters as committed'}"


def _numbers(variant: Variant) -> Iterator[str]:
    """Those that the variant has: a pipeline may judge by others."""
    numbers = variant.metrics
    if (fad := numbers.get("evaluate/fad")) is not None:
        real = numbers.get("reference/real/fad")
        yield f"**FAD {fad:.3g}**" + ("" if real is None else f" (real audio {real:.3g})")
    if (copies := numbers.get("evaluate/novelty/near_copies")) is not None:
        yield f"**near-copies {copies:.0%}**"
    if (loss := numbers.get("train/val_loss")) is not None:
        of_baselines = "train/baseline_val_loss/"
        losses = [value for key, value in numbers.items() if key.startswith(of_baselines)]
        beside = f" (having learnt nothing {min(losses):.3g})" if losses else ""
        yield f"**validation loss {loss:.3g}**{beside}"


def _sentence(text: str) -> str:
    return text and f"{text[0].upper()}{text[1:]}."


def _duration(seconds: float) -> str:
    """``about 4 min``, to what one can plan by."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return "less than a minute"
    return f"about {minutes} min" if minutes < 60 else f"about {minutes / 60:.1f} h"


def _code(text: str) -> str:
    """``text``, whatever it holds, as code within a line."""
    return f"`{' '.join(text.replace('`', chr(39)).split()) or ' '}`"
