"""``soundloom check``: check params.yaml and say what follows from it."""

from __future__ import annotations

import argparse

HELP = "check params.yaml, the files and packages it asks for, and say what follows from it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It has none."""


def run(_: argparse.Namespace) -> None:
    """Check all of it and print what its numbers amount to."""
    from soundloom.config import Config

    config = Config.load()
    config.check_packages()
    config.check_files()
    rate_hz = config.dataset.sample_rate_hz
    frames_per_second = config.spectrogram.frames_per_second(rate_hz)
    print(f"params.yaml is valid: {config.dataset.source}, {config.dataset.genre}")
    print(f"  frames of {config.spectrogram.n_bins} bins, {frames_per_second:.3f} a second")
    print(f"  windows of {config.window_samples / rate_hz:.3f} s")
    print(f"  {config.generate.n_samples} continuations of {config.generate.seconds} s")
    if config.generate.section_seconds and config.model.name == "lstm":
        print("  no sections (generate.section_seconds), as model.name is lstm")
    if config.compute.backend == "dask" and config.compute.address:
        from soundloom.common.dask_workers import on_workers

        with on_workers(config.compute, config.evaluate.threads) as workers:
            print(f"  {workers.count()} workers at {config.compute.address}")
