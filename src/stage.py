"""Run one stage of dvc.yaml with this workspace's own code: ``python src/stage.py train``.

Running a script puts its folder, this ``src``, first on the module path: in one of DVC's temporary
workspaces the stage then imports the code found there, not the code installed in the environment.
"""

import argparse
import importlib
import os
from pathlib import Path

if __name__ == "__main__":
    stages = sorted(
        file.stem
        for file in (Path(__file__).parent / "soundloom" / "stages").glob("*.py")
        if file.stem != "__init__"
    )
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stage", choices=stages)
    parser.add_argument("--debug", action="store_true", help="print tracebacks")
    arguments = parser.parse_args()
    if arguments.debug:
        os.environ["SOUNDLOOM_DEBUG"] = "1"

    from soundloom.errors import run_or_exit

    run_or_exit(importlib.import_module(f"soundloom.stages.{arguments.stage}").main)
