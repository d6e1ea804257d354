"""``soundloom new``: a folder of music looked at, params.yaml set to suit it, and nothing lost."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from params import REPOSITORY
from recordings import music, write_recording
from soundloom.commands.main import main
from soundloom.common.io import read_json
from soundloom.common.params import flattened, read_params
from soundloom.config import Config

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("threads_for_processes")]

# Beside it: what a shell, DVC or YAML may take for something else.
NAME = 'My Bänd (live) [1], it\'s = "loud" #1 $HOME ${x} `id` 日本'
PARAMS = (REPOSITORY / "params.yaml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten songs of seven seconds, in four formats, and three files that are of no use."""
    folder = tmp_path_factory.mktemp("disk") / NAME
    for number in range(10):
        ending, subtype = [
            ("wav", "PCM_16"), ("flac", "PCM_16"), ("mp3", "MPEG_LAYER_III"), ("ogg", "VORBIS"),
        ][number % 4]  # fmt: skip
        samples = music(7.0, 22_050, number)
        write_recording(folder / f"Song no. {number}.{ending}", samples, subtype=subtype)
    write_recording(folder / "jingle.wav", music(2.0, 22_050, 99))
    (folder / "lyrics.wav").write_text("la la la")
    shutil.copy(folder / "Song no. 0.wav", folder / "copy.wav")
    return folder


@pytest.fixture
def clone(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of the real params.yaml, committed, as working directory."""
    (project / "params.yaml").write_text(PARAMS, encoding="utf-8")
    (project / "data").mkdir()
    (project / "models").mkdir()
    (project / "models" / "base").symlink_to(REPOSITORY / "models" / "base")
    monkeypatch.setenv("SOUNDLOOM_DEBUG", "")
    monkeypatch.delenv("MAKELEVEL", raising=False)  # of the `make` that runs the tests
    git("init", "-q")
    git("add", ".")
    git("-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "as cloned")
    return project


def git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], check=True)


def params() -> str:
    return Path("params.yaml").read_text(encoding="utf-8")


@pytest.fixture
def fails(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run ``soundloom new`` with such arguments, which must end in one line; returns it."""

    def run(*arguments: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main(["new", *arguments])
        assert ended.value.code == 1
        line = capsys.readouterr().err.splitlines()[-1]
        assert line.startswith("soundloom: error: ")
        return line

    return run


@pytest.mark.usefixtures("clone")
def test_a_folder_of_any_name_is_looked_at_and_params_suit_it(
    songs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["new", str(songs)])
    told = capsys.readouterr()
    values = flattened(read_params())
    assert values["dataset.source"] == "folder"
    assert values["dataset.folder.path"] == str(songs)
    assert values["dataset.genre"] == "my-band-live-1-it-s-loud-1-home-x-id"
    assert (values["split.by"], values["dataset.min_clip_seconds"]) == ("recording", 6.0)
    assert values["model.base"] == "pretrained"
    Config.load()
    for part in (
        "1.2 minutes of music: 10 clips", "3 wav, 3 flac, 2 mp3, 2 ogg", "s train, ",
        "dataset.source                builtin → folder", "git checkout params.yaml",
        "\n  so little teaches a model little: 15 minutes or more of one kind of music are",
        "\nnext: make repro, and then make listen\n",
    ):  # fmt: skip
        assert part in told.out
    # All but values is as it was, and nothing else lies about.
    assert len(params().splitlines()) == len(PARAMS.splitlines())
    assert params().count(" ▸ ") == PARAMS.count(" ▸ ")
    assert not list(Path("data").iterdir())
    # The stage leaves out the same, for the same reasons.
    from soundloom.stages import download

    download.main()
    rejected = read_json(Path("data/raw/manifest.json"))["rejected"]
    assert {entry["file"] for entry in rejected} == {"copy.wav", "jingle.wav", "lyrics.wav"}
    for entry in rejected:
        assert f"left out: {entry['file']}: {entry['reason']}\n" in told.err
    # Said again, it changes nothing; and what it did is taken back as it says.
    before = params()
    monkeypatch.setenv("MAKELEVEL", "1")  # by `make repro FOLDER=…`, which goes on
    main(["new", str(songs)])
    said = capsys.readouterr().out
    assert "params.yaml suits them as it is" in said
    assert "next:" not in said
    assert params() == before
    git("checkout", "params.yaml")
    assert params() == PARAMS


def test_edits_that_git_does_not_have_are_not_lost(
    clone: Path, songs: Path, fails: Callable[..., str]
) -> None:
    edited = PARAMS.replace("  epochs: 18 ", "  epochs: 99 ").replace(
        "seconds: 60.0", "seconds: 9.0"
    )
    assert edited != PARAMS
    (clone / "params.yaml").write_text(edited, encoding="utf-8")
    line = fails(str(songs))
    assert "params.yaml has edits that are not committed" in line
    assert "dataset.source" in line
    assert params() == edited
    main(["new", "--force", str(songs)])
    assert "  epochs: 14 " in params()
    assert "seconds: 9.0" in params()
    # One of its own settings, edited afterwards.
    edited = params().replace("  epochs: 14 ", "  epochs: 3 ")
    (clone / "params.yaml").write_text(edited, encoding="utf-8")
    assert "would be changed (train.epochs)" in fails(str(songs))
    assert params() == edited


def test_a_folder_within_the_project_is_named_as_another_clone_finds_it(
    clone: Path, songs: Path
) -> None:
    shutil.copytree(songs, clone / "data/-live")
    os.chdir(clone)
    (clone / "data/-live/live").mkdir()
    main(["new", "--", "data/-live"])
    values = flattened(read_params())
    assert values["dataset.folder.path"] == "data/-live"
    # A folder in it that is called so would be used alone.
    assert values["dataset.genre"] == "live_"
    # A label of the user's stays.
    text = params().replace("genre: live_", "genre: polka")
    (clone / "params.yaml").write_text(text, encoding="utf-8")
    main(["new", "data/-live"])
    assert params() == text


@pytest.mark.usefixtures("clone")
@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("two\nlines", "without line ends"),
        ("tab\there", "without line ends and other control characters"),
        (os.fsdecode(b"caf\xe9"), "must be UTF-8 text"),
        ("~nobody", "the folder is '~nobody'; it must be"),
        ("nowhere", "the folder is 'nowhere'; it must be an existing folder of music"),
        ("params.yaml", "it must be an existing folder"),
        ("", "the folder is ''; it must be"),
        (".", "it must lie apart from data/raw"),
        ("empty", "there is no audio in it; put recordings there"),
        ("short", ": 6.0) are 0, of 1 recordings. Left out: a.wav: 2.00 s"),
        ("dangling", "it holds 'dangling/.gone.wav', a link to a file that is not there, at which"),
        ("little", "16 s of usable audio in 2 recordings are too little"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(
    name: str, part: str, fails: Callable[..., str]
) -> None:
    if name.isalpha() and name != "nowhere":
        Path(name).mkdir()
        if name == "dangling":
            Path(name, ".gone.wav").symlink_to("/nowhere")
        for number, seconds in enumerate({"short": [2.0], "little": [8.0, 8.0]}.get(name, [])):
            write_recording(Path(name, f"{'ab'[number]}.wav"), music(seconds, 22_050, number))
    assert part in fails(name)
    assert params() == PARAMS
