"""A study's search: Optuna suggests trials, DVC runs them, MLflow has what came of them.

Optuna writes every trial to its journal at once, a file, so that a search that was stopped goes on,
and several machines can share one. (Akiba et al., *Optuna: A Next-generation Hyperparameter
Optimization Framework*, KDD 2019.)
"""

from __future__ import annotations

import difflib
import hashlib
import json
import math
from pathlib import Path
from typing import Any, Literal

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, GridSampler, RandomSampler, TPESampler
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState
from tqdm import tqdm

from soundloom.common.errors import SoundloomError, first_line, warn
from soundloom.common.params import read_params, that_count, with_keys
from soundloom.experiments import queue
from soundloom.experiments.repository import ask_git, check_readable
from soundloom.experiments.store import RunStore
from soundloom.experiments.study import (
    PREFIX,
    Column,
    Search,
    Study,
    Values,
    bring_up_to_date,
    read_rows,
)

# In the main repository, beside MLflow's store.
JOURNAL = Path("optuna.journal")
# Of fewer trials, what a search says of its keys is mostly luck.
_ENOUGH_TRIALS = 10
# Significant ones, of a suggested number.
_DIGITS = 4
# Attribute of a trial: who asked for it, and so is to run it.
_MACHINE = "machine"


class Trials:
    """The trials of a study's search, as the journal has them."""

    def __init__(self, study: Study, journal: Path, machine: str = ""):
        """Open ``journal``, or begin it.

        Trials count for this search if their objective, space, sampler and seed, the study's title,
        ``base`` and all other parameters, and the code were the same. ``machine`` tells one clone
        from the others where they share a journal.

        Raises :class:`SoundloomError` when the journal cannot be read.
        """
        assert study.search is not None
        self.study, self.search, self._machine = study, study.search, machine
        self._lowest = self.search.direction == "minimise"
        self._digest = _digest(study)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        try:
            self._optuna = optuna.create_study(
                storage=optuna.storages.JournalStorage(_backend(journal)),
                study_name=f"{study.title} ({self._digest})",
                direction="minimize" if self._lowest else "maximize",
                sampler=_ByNumber(self.search),
                load_if_exists=True,
            )
        except (ValueError, KeyError) as error:
            raise SoundloomError(
                f"{journal}: no journal of Optuna's: {first_line(error)}"
            ) from None

    @property
    def most(self) -> int:
        """How many there are to be: as many as asked for, of a grid at most all."""
        sizes = [len(its.values) for its in self.search.space.values() if its.values]
        grid = math.prod(sizes) if self.search.sampler == "grid" else math.inf
        return int(min(self.search.trials, grid))

    def name(self, number: int) -> str:
        """What DVC's experiment of a trial is called."""
        return f"{PREFIX}{self._digest}-{number}"

    def changes(self, number: int) -> dict[str, Any]:
        """What a trial changes in ``params.yaml`` beside ``base``: ``{"section.key": value}``."""
        params = self._optuna.trials[number].params
        return {key: _value(params[key], its) for key, its in self.search.space.items()}

    def unfinished(self) -> list[int]:
        """Numbers of those that this machine was to run and said nothing of yet."""
        running = [trial for trial in self._known() if trial.state == TrialState.RUNNING]
        own = [trial for trial in running if trial.user_attrs[_MACHINE] == self._machine]
        return [trial.number for trial in own]

    def finished(self) -> list[int]:
        """Numbers of those that came to an end, the best first, those that failed last."""
        sign = 1.0 if self._lowest else -1.0
        ended = [trial for trial in self._known() if trial.state.is_finished()]
        ended.sort(
            key=lambda one: (math.inf if one.value is None else sign * one.value, one.number)
        )
        return [trial.number for trial in ended]

    def ask(self, at_most: int) -> list[int]:
        """Numbers of the next trials to run: unfinished ones, then new ones while there are any."""
        space = {key: _distribution(its) for key, its in self.search.space.items()}
        numbers = self.unfinished()[:at_most]
        for _ in range(min(at_most - len(numbers), self.most - len(self._known()))):
            trial = self._optuna.ask(space)
            # Of those that lack it, nobody knows whether they were suggested whole.
            trial.set_user_attr(_MACHINE, self._machine)
            numbers.append(trial.number)
        return numbers

    def tell(self, number: int, value: float | None) -> None:
        """Say what came of a trial; None: it failed."""
        if value is not None and math.isfinite(value):
            self._optuna.tell(number, value)
        else:
            self._optuna.tell(number, state=TrialState.FAIL)

    def as_study(self) -> Study:
        """The study with the trials that came to an end as its variants, the best first."""
        columns, objective = self.study.columns, self.search.objective
        if not any(one.metric == objective and one.over is None for one in columns):
            best: Literal["lowest", "highest"] = "lowest" if self._lowest else "highest"
            columns = [Column(title=objective, metric=objective, best=best), *columns]
        variants = {f"trial {number}": self.changes(number) for number in self.finished()}
        return self.study.model_copy(update={"variants": variants, "columns": columns})

    def importances(self) -> dict[str, float]:
        """Share of the objective's variance that each key explains, the largest first.

        By functional ANOVA (Hutter, Hoos and Leyton-Brown, ICML 2014); empty of too few trials.
        """
        values = {one.value for one in self._known() if one.state == TrialState.COMPLETE}
        if len(values) < _ENOUGH_TRIALS:
            return {}
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
        found = optuna.importance.get_param_importances(self._optuna, evaluator=evaluator)
        return {key: float(share) for key, share in found.items()}

    def _known(self) -> list[FrozenTrial]:
        trials = self._optuna.get_trials(deepcopy=False)
        return [trial for trial in trials if _MACHINE in trial.user_attrs]


def run(trials: Trials, store: RunStore) -> None:
    """Run a search to its end through DVC's queue, in the working directory.

    As many trials at a time as the study's ``jobs`` are suggested, run and told to Optuna; those of
    this machine that were stopped come first.

    Raises :class:`SoundloomError` when git will not read the repository, tasks of the user's own
    have not ended, DVC refuses a trial, or the objective is no metric of a trial's run.
    """
    study, search = trials.study, trials.search
    check_readable()
    queue.check_free(but=[trials.name(number) for number in trials.unfinished()])
    prompts = with_keys(read_params(), study.base)["generate"]["prompts_from"]
    if prompts == "test" and search.objective.startswith("evaluate/"):
        warn(
            "the search chooses by the test part, which then says too much for what it chose; "
            "base may have generate.prompts_from: validation"
        )
    bring_up_to_date(study)
    bar = tqdm(total=trials.most, initial=len(trials.finished()), desc="study", unit="trial")
    with bar:
        while numbers := trials.ask(study.jobs):
            changes = {trials.name(n): {**study.base, **trials.changes(n)} for n in numbers}
            failed = queue.run_all(changes, study.jobs, bar)
            for number in numbers:
                lost = trials.name(number) in failed
                trials.tell(number, None if lost else _result(trials, number, store))


def remarks(trials: Trials) -> str:
    """What was searched through and what each key was worth, as Markdown."""
    search = trials.search
    lines = [
        "",
        f"Optuna ({search.sampler}, seed {search.seed}) suggested the trials, to "
        f"{search.direction} `{search.objective}`, of",
        "",
        *(f"- `{key}`: {_shown(its)}" for key, its in search.space.items()),
    ]
    if shares := trials.importances():
        each = ", ".join(f"`{key}` {share:.2f}" for key, share in shares.items())
        lines += ["", f"Share of the objective's variance that each explains (fANOVA): {each}."]
    return "\n".join(lines) + "\n"


class _ByNumber(BaseSampler):
    """Suggests each trial by a sampler whose seed is of the trial's number.

    One sampler for all would begin its random numbers anew whenever a search goes on.
    """

    def __init__(self, search: Search):
        self._search = search

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        self._sampler = _sampler(self._search, trial.number)
        self._sampler.before_trial(study, trial)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, name: str, distribution: BaseDistribution
    ) -> Any:
        return self._sampler.sample_independent(study, trial, name, distribution)


def _sampler(search: Search, number: int) -> BaseSampler:
    if search.sampler == "grid":  # shuffled by the seed, and gone through by the trials' numbers
        grid = {key: _choices(its.values) for key, its in search.space.items()}
        return GridSampler(grid, seed=search.seed)
    seed = int(np.random.SeedSequence([search.seed, number]).generate_state(1)[0])
    return TPESampler(seed=seed) if search.sampler == "tpe" else RandomSampler(seed=seed)


def _distribution(its: Values) -> BaseDistribution:
    if its.values:
        return CategoricalDistribution(_choices(its.values))
    if isinstance(its.low, int) and isinstance(its.high, int):
        return IntDistribution(its.low, its.high, log=its.log)
    return FloatDistribution(its.low, its.high, log=its.log)


def _choices(values: list[Any]) -> list[str]:
    """As text: Optuna's own may be no lists."""
    return [json.dumps(value) for value in values]


def _value(suggested: Any, its: Values) -> Any:
    """A suggestion as it stands in ``params.yaml``: of a number, the digits that one can read."""
    if its.values:
        return json.loads(suggested)
    if isinstance(suggested, int):
        return suggested
    return min(max(float(f"{suggested:.{_DIGITS}g}"), its.low), its.high)


def _shown(its: Values) -> str:
    if its.values:
        return ", ".join(map(str, its.values))
    return f"{its.low} to {its.high}{', evenly over logarithms' if its.log else ''}"


def _backend(journal: Path) -> JournalFileBackend:
    """The journal's file, without what a full disk left of its last line."""
    # Links, Optuna's other way, are not on every shared disk.
    lock = JournalFileOpenLock(str(journal))
    lock.acquire()
    try:
        written = journal.read_bytes() if journal.exists() else b""
        if written and b'"op_code":' not in written.partition(b"\n")[0]:
            raise ValueError("its first line is none of a journal's")
        whole = written.rfind(b"\n") + 1
        if whole < len(written):
            with journal.open("r+b") as file:
                file.truncate(whole)
    finally:
        lock.release()
    return JournalFileBackend(str(journal), lock)


def _digest(study: Study) -> str:
    """The same for searches whose trials compare."""
    assert study.search is not None
    params = that_count(with_keys(read_params(), study.base))
    others = {key: value for key, value in params.items() if key not in study.search.space}
    code = [ask_git("ls-tree", "HEAD", "src", "dvc.yaml"), ask_git("diff", "HEAD", "--", "src")]
    what = [study.title, study.search.model_dump(exclude={"trials"}), others, code]
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:8]


def _result(trials: Trials, number: int, store: RunStore) -> float:
    """The objective of a trial that has run."""
    name, objective = trials.name(number), trials.search.objective
    of_trial = trials.study.model_copy(update={"variants": {name: trials.changes(number)}})
    (row,) = read_rows(of_trial, store)
    if row.run is None:
        raise SoundloomError(
            f"{name} has run, but MLflow has no run of it; `soundloom track`, then start again"
        )
    if objective not in row.run.metrics:
        near = difflib.get_close_matches(objective, row.run.metrics, n=1)
        raise SoundloomError(
            f"search.objective is {objective!r}, which is no metric of run {row.run.run_id}"
            + "".join(f"; the nearest is {one!r}" for one in near)
        )
    return row.run.metrics[objective]
