"""What `soundloom generate` refuses before anything is generated, and that nothing is lost."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from params import REPOSITORY, small_config, write_params
from recordings import music, write_recording
from small_models import RATE_HZ, small_codec
from soundloom.commands.main import main
from soundloom.common.errors import SoundloomError
from soundloom.spectral.files import write_codec


@pytest.fixture
def fails(project: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[str], str]:
    """Continue ``riff.wav`` into a file, which must fail at once; returns the error."""
    write_params(project)
    (project / "riff.wav").write_bytes(b"a recording of the user's")

    def run(out: str, *options: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main(["generate", "--prompt", "riff.wav", "--out", out, *options])
        assert ended.value.code == 1
        return capsys.readouterr().err

    return run


@pytest.mark.slow
def test_before_any_training_the_base_continues_it(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_params(project)
    write_recording(Path("riff.wav"), music(4, RATE_HZ), RATE_HZ)
    Path("models").mkdir()
    Path("models/base").symlink_to(REPOSITORY / "models" / "base")
    main(["generate", "--prompt", "riff.wav", "--seconds", "3", "--out", "new.wav"])
    said = capsys.readouterr().err
    assert "no model has been trained here yet, so models/base is used: " in said
    assert "generate.section_seconds is 1.0, but there will be no sections: this model has" in said
    samples, rate_hz = soundfile.read("new.wav")
    assert len(samples) == 3 * rate_hz
    assert np.sqrt(np.mean(samples**2)) > 0.01
    # A model of the user's own that is damaged is not passed over.
    Path("models/generator").mkdir()
    with pytest.raises(SystemExit):
        main(["generate", "--prompt", "riff.wav", "--seconds", "3", "--out", "newer.wav"])
    assert "models/generator/codec.json: no such file" in capsys.readouterr().err


@pytest.mark.parametrize("options", [(), ("--overwrite",)])
@pytest.mark.parametrize("out", ["riff.wav", "./riff.wav", "linked.wav"])
def test_the_prompt_is_never_overwritten(
    out: str, options: tuple[str, ...], fails: Callable[..., str]
) -> None:
    Path("linked.wav").symlink_to("riff.wav")
    assert "which is the prompt" in fails(out, *options)
    assert Path("riff.wav").read_bytes() == b"a recording of the user's"


def test_what_is_there_is_overwritten_only_when_asked(fails: Callable[..., str]) -> None:
    Path("mine.wav").write_bytes(b"another")
    assert "which is there already; see --overwrite" in fails("mine.wav")
    # Allowed, it comes as far as the model that is not there.
    assert "codec.json: no such file" in fails("mine.wav", "--overwrite")
    assert Path("mine.wav").read_bytes() == b"another"


def test_a_folder_is_no_file(fails: Callable[..., str]) -> None:
    Path("folder.wav").mkdir()
    assert "which is a folder" in fails("folder.wav")


def test_an_ending_may_be_written_large(fails: Callable[..., str]) -> None:
    for ending in (".WAV", ".Flac", ".mp3", ".OGG", ".opus"):
        assert "codec.json: no such file" in fails(f"NEW{ending}")
    for ending in (".aac", ".wave", ""):
        error = fails(f"new{ending}")
        assert f"'new{ending}'; it must end in .wav, .flac, .mp3, .ogg, .opus" in error
        assert error.count("\n") == 1


def test_a_rate_that_a_format_does_not_have_is_told(fails: Callable[..., str]) -> None:
    lower = "96000 Hz are asked for, but .mp3 has at most 48000: it is written at that\n"
    assert lower in fails("new.mp3", "--sample-rate-hz", "96000")
    assert "Hz" not in fails("new.wav", "--sample-rate-hz", "96000")
    assert "Hz" not in fails("new.opus", "--sample-rate-hz", "44100")  # the next higher: no loss


def test_a_place_below_a_file_is_named(fails: Callable[..., str]) -> None:
    assert "but there is no folder 'riff.wav/new'" in fails("riff.wav/new/new.wav")


def test_no_folder_is_made_for_what_may_be_misspelt(fails: Callable[..., str]) -> None:
    assert "'nodir/new.wav', but there is no folder 'nodir'" in fails("nodir/new.wav")
    assert not Path("nodir").exists()


@pytest.mark.parametrize(
    ("out", "output"),
    [
        ("data/generated/samples/new.wav", "data/generated"),
        ("models/generator/new.wav", "models/generator"),
        ("metrics/../reports/explore/new.wav", "reports/explore"),
        ("linked/new.wav", "data/raw"),
    ],
)
def test_what_the_pipeline_would_replace_is_refused(
    out: str, output: str, fails: Callable[..., str]
) -> None:
    for folder in ("data/generated/samples", "data/raw", "models/generator", "reports/explore"):
        Path(folder).mkdir(parents=True)
    Path("metrics").mkdir()
    Path("linked").symlink_to("data/raw")
    assert f"--out is '{out}'; it must lie apart from {output}, which the pip" in fails(out)
    assert "codec.json: no such file" in fails("data/new.wav")


def test_a_model_is_said_to_be_made_by_dvc_repro_where_it_is(fails: Callable[..., str]) -> None:
    own = "models/generator/codec.json: no such file; `dvc repro` makes it\n"
    assert fails("new.wav").endswith(own)
    assert fails("new.wav", "--model", "models/generator/").endswith(own)
    Path("models/base").mkdir(parents=True)  # not taken for one that is named
    assert fails("new.wav", "--model", "models/generator/").endswith(own)
    Path("empty").mkdir()
    for name in ("nope", "empty"):
        error = fails("new.wav", "--model", name)
        assert f"--model is '{name}'; it must be a model's folder, such as models/gen" in error
    Path("nope").mkdir()
    Path("nope/model.json").write_text("{}", encoding="utf-8")
    assert fails("new.wav", "--model", "nope").endswith("nope/codec.json: no such file\n")


@pytest.mark.parametrize("length", [250, 300])
def test_a_name_that_is_too_long_to_write_is_refused(
    fails: Callable[..., str], length: int
) -> None:
    """250 bytes are a name, but not with what is added while the file is written."""
    assert "cannot be written to: File name too long" in fails("a" * (length - 4) + ".wav")


def test_a_name_that_is_not_utf_8_is_refused(fails: Callable[..., str]) -> None:
    assert "'caf\\udce9.wav', which is not UTF-8" in fails("caf\udce9.wav")


def test_a_place_no_one_can_write_to_is_named(fails: Callable[..., str]) -> None:
    assert "'/proc' cannot be written to" in fails("/proc/new.wav")


def test_a_link_to_nothing_is_kept(fails: Callable[..., str]) -> None:
    Path("link.wav").symlink_to("elsewhere.wav")
    assert "which is there already" in fails("link.wav")
    assert Path("link.wav").is_symlink()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_named(fails: Callable[..., str]) -> None:
    Path("locked").mkdir(mode=0o500)
    assert "locked' cannot be written to" in fails("locked/new.wav")
    assert not list(Path("locked").iterdir())


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.zeros(3 * RATE_HZ), "its last 1 s are silent"),
        (np.full(3 * RATE_HZ, -0.5), "its last 1 s are silent"),
        (9e-4 * np.sin(np.arange(3 * RATE_HZ)), "its last 1 s are silent"),
        (np.linspace(-0.5, 0.5, 3 * RATE_HZ), "its last 1 s hold no more than a click"),
        (np.eye(1, 3 * RATE_HZ, 5 * RATE_HZ // 2)[0], "its last 1 s hold no more than a click"),
        (music(3, RATE_HZ)[:600], "the prompt is 0.027 s long; it must have at least one"),
        (np.full(RATE_HZ, np.nan), "holds NaN"),
    ],
)
def test_a_prompt_that_nothing_can_follow_is_named(
    fails: Callable[..., str], samples: np.ndarray, reason: str
) -> None:
    """Of the model only the codec is there: what takes Keras is not looked at."""
    write_recording(Path("riff.wav"), samples, RATE_HZ, subtype="FLOAT")
    folder = Path("models/generator")
    folder.mkdir(parents=True)
    write_codec(folder, small_codec())
    error = fails("new.wav")
    assert error.startswith(f"soundloom: error: riff.wav: {reason}")
    assert error.count("\n") == 1
    assert not Path("new.wav").exists()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--seconds", 2.9), ("--seconds", 3600.5), ("--prompt-seconds", 0.0),
        ("--prompt-seconds", 61.0), ("--temperature", -0.1), ("--temperature", 2.1), ("--seed", -1),
        ("--sample-rate-hz", 7999), ("--sample-rate-hz", 192_001),
    ],
)  # fmt: skip
def test_options_have_the_limits_of_params_yaml_and_are_refused_in_its_words(
    fails: Callable[..., str], option: str, value: float
) -> None:
    key = f"generate.{option.removeprefix('--').replace('-', '_')}"
    with pytest.raises(SoundloomError) as of_file:
        small_config({key: value})
    said = str(of_file.value).removeprefix("tests/params.yaml: ")
    assert said.startswith(f"{key} is {value}; it must be ")
    assert fails("new.wav", option, str(value)) == f"soundloom: error: options: {said}\n"


def test_what_is_noted_of_a_prompt_is_printed(fails: Callable[[str], str]) -> None:
    """Of two channels the second is empty; the model's network is not there."""
    both = np.stack([music(3, RATE_HZ), np.zeros(3 * RATE_HZ, np.float32)], axis=1)
    soundfile.write("riff.wav", both, RATE_HZ)
    folder = Path("models/generator")
    folder.mkdir(parents=True)
    write_codec(folder, small_codec())
    noted, failed = fails("new.wav").splitlines()
    assert noted == (
        "soundloom: warning: riff.wav: its other channels are empty: only channel 1 of 2 is used"
    )
    assert "no such file" in failed
