"""Run one stage of dvc.yaml with this workspace's own code: ``python src/stage.py train``.

Running a script puts its folder, this ``src``, first on the module path: in one of DVC's temporary
workspaces the stage then imports the code found there, not the code installed in the environment.
All of params.yaml is checked before a stage starts, also what is for stages that come later. When a
stage fails, or is interrupted, the outputs that DVC removed before it ran come back, and the run of
its training in MLflow says so.
"""

# No more is imported up here, where an interrupt would leave outputs removed.
import os
import sys


def main() -> None:
    """Check params.yaml, then run the stage named on the command line."""
    try:
        from soundloom.common.signals import end_by_signals_as_by_ctrl_c

        end_by_signals_as_by_ctrl_c()
        from soundloom.common.ending import exit_status_kept

        with exit_status_kept():
            from soundloom.common.errors import run_or_exit

            run_or_exit(_run)
    except KeyboardInterrupt:  # before anybody was there to handle it
        from soundloom.common.errors import INTERRUPTED, say_interrupted

        say_interrupted()
        _bring_outputs_back(INTERRUPTED)
        raise SystemExit(INTERRUPTED) from None
    except BaseException as ending:
        _bring_outputs_back(getattr(ending, "code", 1))
        raise


def _bring_outputs_back(status: object) -> None:
    """Where DVC runs this, and not to its end: a status of 0 would have it take them for new."""
    from soundloom.common.signals import ignore_all

    ignore_all()
    stage = os.environ.get("DVC_STAGE")
    if not status or not stage or stage not in sys.argv[1:]:
        return
    import subprocess
    from pathlib import Path

    # In another process: this one may be half-way through an import, and NumPy's cannot be begun
    # again.
    subprocess.run(
        [sys.executable, "-m", "soundloom.experiments.outputs", stage, str(status)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent)},
        check=False,
    )


def _run() -> None:
    import argparse
    import importlib
    from pathlib import Path

    files = (Path(__file__).parent / "soundloom" / "stages").glob("*.py")
    stages = sorted(file.stem for file in files if file.stem != "__init__")
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("stage", choices=stages)
    parser.add_argument("--debug", action="store_true", help="print tracebacks")
    arguments = parser.parse_args()
    if arguments.debug:
        os.environ["SOUNDLOOM_DEBUG"] = "1"

    from soundloom.common.threads import one_thread_for_linear_algebra

    one_thread_for_linear_algebra()

    from soundloom.common.io import remove_leavings
    from soundloom.common.paths import OUTPUT_FOLDERS
    from soundloom.config import Config

    for folder in OUTPUT_FOLDERS:
        remove_leavings(folder)
    config = Config.load()
    config.check_packages()
    if arguments.stage in ("download", "train"):  # before what takes longest
        config.check_files()
    run = importlib.import_module(f"soundloom.stages.{arguments.stage}").main
    if config.compute.backend == "loky":
        run()
        return

    from soundloom.common.dask_workers import on_workers

    with on_workers(config.compute, config.evaluate.threads):
        run()


if __name__ == "__main__":
    main()
