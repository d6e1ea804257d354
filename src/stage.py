"""Run one stage of dvc.yaml with this workspace's own code: ``python src/stage.py train``.

Running a script puts its folder, this ``src``, first on the module path: in one of DVC's temporary
workspaces the stage then imports the code found there, not the code installed in the environment.
All of params.yaml is checked before a stage starts, also what is for stages that come later.
"""

import argparse
import importlib
import os
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

    from soundloom.common.threads import one_thread_for_linear_algebra

    one_thread_for_linear_algebra()

    from soundloom.common.errors import run_or_exit
    from soundloom.config import Config

    def run() -> None:
        Config.load()
        importlib.import_module(f"soundloom.stages.{arguments.stage}").main()

    run_or_exit(run)


if __name__ == "__main__":
    main()
