"""Run one stage of dvc.yaml with this workspace's own code: ``python src/stage.py train``.

Running a script puts its folder, this ``src``, first on the module path: in one of DVC's temporary
workspaces the stage then imports the code found there, not the code installed in the environment.
All of params.yaml is checked before a stage starts, also what is for stages that come later. When a
stage fails, or is interrupted, the outputs that DVC removed before it ran come back, and the run of
its training in MLflow says so.
"""

import argparse
import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path


def main() -> None:
    """Check params.yaml, then run the stage named on the command line."""
    stages = sorted(
        file.stem
        for file in (Path(__file__).parent / "soundloom" / "stages").glob("*.py")
        if file.stem != "__init__"
    )
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("stage", choices=stages)
    parser.add_argument("--debug", action="store_true", help="print tracebacks")
    arguments = parser.parse_args()
    if arguments.debug:
        os.environ["SOUNDLOOM_DEBUG"] = "1"

    from soundloom.common.ending import exit_status_kept

    with exit_status_kept():
        _run_or_bring_back(arguments.stage)


def _run_or_bring_back(stage: str) -> None:
    from soundloom.common.errors import ENDING, run_or_exit

    try:
        run_or_exit(lambda: _run(stage))
    except BaseException as ending:
        for sign in (signal.SIGINT, *ENDING):
            signal.signal(sign, signal.SIG_IGN)
        by_dvc = os.environ.get("DVC_STAGE") == stage
        # A status of 0 would have DVC take them for the outputs of this run.
        if by_dvc and not (isinstance(ending, SystemExit) and ending.code == 0):
            status = str(getattr(ending, "code", 1))
            # In another process: this one may be half-way through an import, and NumPy's cannot be
            # begun again.
            subprocess.run(
                [sys.executable, "-m", "soundloom.experiments.outputs", stage, status],
                env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent)},
                check=False,
            )
        raise


def _run(stage: str) -> None:
    from soundloom.common.threads import one_thread_for_linear_algebra

    one_thread_for_linear_algebra()

    from soundloom.common.io import remove_leavings
    from soundloom.common.paths import OUTPUT_FOLDERS
    from soundloom.config import Config

    for folder in OUTPUT_FOLDERS:
        remove_leavings(folder)
    config = Config.load()
    config.check_packages()
    if stage in ("download", "train"):  # before what takes longest
        config.check_files()
    main = importlib.import_module(f"soundloom.stages.{stage}").main
    if config.compute.backend == "loky":
        main()
        return

    from soundloom.common.dask_workers import on_workers

    with on_workers(config.compute, config.evaluate.threads):
        main()


if __name__ == "__main__":
    main()
