"""A Dask scheduler and two workers on loopback: the same bytes as here, whoever dies on the way."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import threadpoolctl

from params import REPOSITORY, small_params
from recordings import music, write_recording
from soundloom.common import dask_workers
from soundloom.common.config import ComputeConfig
from soundloom.common.dask_workers import on_workers
from soundloom.common.errors import SoundloomError
from soundloom.common.io import RowsOnDisk, folder_written_aside, written_aside
from soundloom.common.parallel import each_apart
from soundloom.evaluation.features import extract_features
from soundloom.evaluation.files import write_features
from soundloom.evaluation.tagger import TagResult

needs_dask = pytest.mark.skipif(not find_spec("distributed"), reason="`make scale` installs Dask")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a scheduler with two workers, as people start them, on a machine that pins nothing."""
    folder = tmp_path_factory.mktemp("dask")
    file, dask = folder / "scheduler.json", [sys.executable, "-m", "dask"]
    commands = [
        [*dask, "scheduler", "--host=127.0.0.1", "--port=0", "--dashboard-address=:0"],
        *2 * [[*dask, "worker", "--host=127.0.0.1", "--nthreads=1", "--no-dashboard"]],
    ]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "2")
    # Where DVC's own processes are, too: in no folder of the project.
    started = [
        subprocess.Popen(
            [*command, f"--scheduler-file={file}"], cwd=folder, start_new_session=True,
            env={**os.environ, **threads}, stderr=subprocess.DEVNULL,
        )
        for command in commands
    ]  # fmt: skip
    try:
        from distributed import Client

        while not file.exists():
            assert started[0].poll() is None
            time.sleep(0.1)
        with Client(scheduler_file=str(file), set_as_default=False) as client:
            client.wait_for_workers(2)
            yield client.scheduler.address
    finally:
        for process in started:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def at(address: str) -> ComputeConfig:
    return ComputeConfig(backend="dask", address=address, devices=0)


def tree(folder: Path) -> dict[str, bytes]:
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


@needs_dask
@pytest.mark.usefixtures("threads_for_processes")
def test_stages_make_the_same_bytes_there_as_here(
    address: str,
    project: Path,
    save_params: Callable[[dict[str, Any]], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    from soundloom.commands import check
    from soundloom.stages import download, spectrogram, split

    for seed in range(5):
        write_recording(project / f"songs/{seed}.wav", music(6, 22_050, seed), 22_050)
    of_songs = {"dataset.source": "folder", "dataset.folder.path": "songs"}
    of_dask = {"compute.backend": "dask", "compute.address": address}
    save_params(small_params({**of_songs, **of_dask}))
    for stage in (download, split, spectrogram):
        stage.main()
    here = tree(project / "data") | tree(project / "metrics")
    shutil.rmtree(project / ".dvc")  # all that is known from before
    for made in ("data/raw", "data/spectrogram", "metrics"):
        shutil.rmtree(project / made)
    check.run(Namespace())
    assert f"  2 workers at {address}\n" in capsys.readouterr().out
    with on_workers(at(address), 1):
        download.main()
    subprocess.run([sys.executable, REPOSITORY / "src/stage.py", "spectrogram"], check=True)
    there = tree(project / "data") | tree(project / "metrics")
    assert here.keys() == there.keys()
    assert [name for name in here if here[name] != there[name]] == []
    assert len([name for name in here if name.endswith(".npy")]) == 5


@needs_dask
def test_features_heard_there_wait_on_the_disk_here(address: str, tmp_path: Path) -> None:
    audio = {str(seed): music(4, 8000, seed) for seed in range(3)}

    def ears(samples: np.ndarray, sample_rate_hz: int, hop_seconds: float) -> TagResult:
        tags = np.outer(samples[:3], np.arange(50, dtype=np.float32))
        return TagResult(tags, tags, {"another": tags * np.float32(hop_seconds)})

    def written(name: str) -> bytes:
        rows = partial(RowsOnDisk, tmp_path / name)
        found = extract_features(audio, 8000, ears, hop_seconds=1.0, threads=1, rows=rows)
        write_features(tmp_path / name, found)
        return (tmp_path / name).read_bytes()

    here = written("here")
    with on_workers(at(address), 1):
        assert written("there") == here


@needs_dask
def test_work_of_a_worker_that_is_killed_is_done_by_others(address: str, tmp_path: Path) -> None:
    def work(number: int, folder: Path, died: Path) -> tuple[int, int]:
        with written_aside(folder / str(number)) as aside:
            aside.write_text(str(number))
            if number == 5 and not died.exists():
                died.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return number, os.getpid()

    died = tmp_path / "died"
    with on_workers(at(address), 1), folder_written_aside(tmp_path / "out") as aside:
        done = list(each_apart(work, range(20), aside, died, desc="work"))
        left = [file for file in aside.iterdir() if file.name.endswith(".part")]
    assert died.exists()
    assert len(left) == 1
    assert [number for number, _ in done] == list(range(20))
    assert os.getpid() not in {process for _, process in done}
    assert tree(tmp_path / "out") == {str(number): str(number).encode() for number in range(20)}


@needs_dask
def test_what_only_this_machine_can_do_is_done_here(address: str) -> None:
    here = os.getpid()

    def work(number: int) -> int | None:
        return number if number % 3 or os.getpid() == here else None

    def failed(result: int | None) -> bool:
        return result is None

    with on_workers(at(address), 1):
        assert list(each_apart(work, range(6), desc="work", failed=failed)) == list(range(6))
        assert list(each_apart(work, range(6), desc="work")) == [None, 1, 2, None, 4, 5]


@needs_dask
def test_linear_algebra_has_one_thread_and_work_its_folder(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(number: int) -> tuple[Path, list[int]]:
        np.linalg.svd(np.eye(number))
        return Path.cwd(), [found["num_threads"] for found in threadpoolctl.threadpool_info()]

    monkeypatch.chdir(tmp_path)
    with on_workers(at(address), 1):
        for folder, threads in each_apart(work, [300, 301], desc="work"):
            assert folder == tmp_path.resolve()
            assert threads
            assert set(threads) == {1}


@needs_dask
def test_a_fault_of_the_users_stays_one_and_ends_the_work(address: str, tmp_path: Path) -> None:
    def work(number: int) -> None:
        raise SoundloomError(f"{number} is odd")

    with on_workers(at(address), 1), pytest.raises(SoundloomError, match=r"^1 is odd$"):
        list(each_apart(work, [1, 2, 3], desc="work"))


@needs_dask
@pytest.mark.parametrize("other", ["code", "packages", "processor", "KERAS_BACKEND"])
def test_a_worker_that_is_not_as_this_process_is_refused(
    address: str, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = {**dask_workers.footing(), other: "of another"}
    monkeypatch.setattr(dask_workers, "footing", lambda: ours)
    refused = rf"^compute\.address is '{address}'; its worker tcp://\S+ must .* another {other}: "
    with on_workers(at(address), 1), pytest.raises(SoundloomError, match=refused):
        list(each_apart(abs, [1], desc="work"))


@needs_dask
def test_a_folder_that_workers_do_not_have_is_named(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_workers.Path, "cwd", lambda: Path("/not/there"))
    with on_workers(at(address), 1), pytest.raises(SoundloomError, match="project at '/not/there'"):
        list(each_apart(abs, [1], desc="work"))


@needs_dask
def test_a_scheduler_that_is_not_there_or_has_no_workers_or_strange_ones_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from distributed import LocalCluster

    monkeypatch.setattr(dask_workers, "_PATIENCE_SECONDS", 1)
    nobody = r"^compute\.address is 'tcp://127\.0\.0\.1:9'; it must be that of a Dask scheduler: "
    with on_workers(at("tcp://127.0.0.1:9"), 1), pytest.raises(SoundloomError, match=nobody):
        list(each_apart(abs, [1], desc="work"))
    uncertified = r"^compute\.address is 'tls://127\.0\.0\.1:9'; it must be .*: TLS expects a .ssl"
    with on_workers(at("tls://127.0.0.1:9"), 1), pytest.raises(SoundloomError, match=uncertified):
        list(each_apart(abs, [1], desc="work"))
    with (
        LocalCluster(n_workers=0, dashboard_address=":0") as cluster,
        on_workers(at(cluster.scheduler_address), 1),
    ):
        with pytest.raises(SoundloomError, match="must have workers, and has none"):
            list(each_apart(abs, [1], desc="work"))
        monkeypatch.undo()
        (tmp_path / "soundloom.py").touch()  # of another environment
        worker = subprocess.Popen(
            [sys.executable, "-m", "dask", "worker", cluster.scheduler_address, "--no-nanny"],
            cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)},
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            with pytest.raises(SoundloomError, match="must run in this project's environment: No"):
                list(each_apart(abs, [1], desc="work"))
        finally:
            worker.kill()
            worker.wait()


def test_by_default_all_is_done_here() -> None:
    assert small_params()["compute"] == {"backend": "loky", "address": "", "devices": 0}
    assert list(each_apart(abs, [-1, 2, -3], desc="work")) == [1, 2, 3]
