"""The command line, run as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import av
import pytest

from serve_app import cli
from tests.portraits import astronaut, coded
from tests.ports import free_port
from tests.voices import BROKEN

PROGRAM = str(Path(sys.executable).parent / "avatar-serve")


def run(*arguments: str, folder: Path, text: str | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "DATA_DIR": str(folder), **environ}
    return subprocess.run(
        [PROGRAM, *arguments], env=variables, input=text, capture_output=True, text=True, timeout=120, check=False
    )


def test_render_writes_what_the_server_would_give(tmp_path: Path) -> None:
    done = run("render", "Hello there. It works!", "--out", str(tmp_path / "out"), "--timing", "exact", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"audio.ogg", "audio.wav", "captions.srt", "captions.vtt", "response.json"}
    response = json.loads((tmp_path / "out" / "response.json").read_text())
    assert response["audio_url"] == "audio.ogg" and response["mouth_cues"] and response["timing"] == "exact"


def test_render_reads_standard_input(tmp_path: Path) -> None:
    done = run("render", "-", "--out", str(tmp_path / "out"), folder=tmp_path, text="From a pipe.")
    assert done.returncode == 0 and "pipe" in (tmp_path / "out" / "captions.srt").read_text()


def test_render_reads_a_recording(tmp_path: Path) -> None:
    said = "She sells sea shells."
    made = run("render", said, "--out", str(tmp_path / "spoken"), folder=tmp_path)
    assert made.returncode == 0, made.stderr
    audio = ["--audio", str(tmp_path / "spoken" / "audio.ogg"), "--language", "en"]
    done = run("render", *audio, "--text", said, "--out", str(tmp_path / "read"), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    spoken, read = (json.loads((tmp_path / name / "response.json").read_text()) for name in ("spoken", "read"))
    assert read["lipsync"]["engine"] == "align" and read["text"] == said and read["voice"] is None
    assert abs(read["duration_ms"] - spoken["duration_ms"]) < 30 and len(read["mouth_cues"]) > 5
    assert {path.name for path in (tmp_path / "read").iterdir()} >= {"audio.ogg", "audio.wav", "captions.vtt"}


def test_render_makes_a_video_of_a_portrait(tmp_path: Path) -> None:
    (tmp_path / "me.jpg").write_bytes(coded(astronaut()))
    asked = ["Hello from a file.", "--portrait", str(tmp_path / "me.jpg"), "--size", "128", "--fps", "20"]
    done = run("render", *asked, "--out", str(tmp_path / "out.mp4"), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(tmp_path / "out.mp4")]
    with av.open(tmp_path / "out.mp4", "r") as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) > 15 and frames[0].shape == (128, 128, 3)


def test_render_puts_the_video_beside_everything_else(tmp_path: Path) -> None:
    done = run("render", "Hello.", "--portrait", "ada", "--size", "128", "--out", str(tmp_path / "o"), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "o").iterdir()} >= {"video.mp4", "thumbnail.jpg", "audio.ogg"}
    video = json.loads((tmp_path / "o" / "response.json").read_text())["video"]
    assert video["url"] == "video.mp4" and video["size_bytes"] == (tmp_path / "o" / "video.mp4").stat().st_size


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["Hi", "--portrait", "nowhere.png"], "nowhere.png"),
        (["Hi", "--portrait", __file__], "no picture"),
        (["Hi", "--portrait", "ada", "--engine", "hollywood"], "engine"),
        (["Hi", "--portrait", "ada", "--size", "333"], "width"),
        (["Hi", "--voice", "en_GB-alan-medium"], "avatar-serve voices download en_GB-alan-medium"),
        (["Hi", "--voice", "nobody"], "there is no voice"),
        (["Hi", "--speed", "9"], "speed"),
        (["..."], "nothing that this voice can speak"),
        (["   "], "spaces"),
        ([], "text: is required"),
        (["--audio", "nowhere.wav"], "nowhere.wav"),
        (["--audio", __file__], "no sound file"),
        (["Hi", "--lipsync", "magic"], "no engine 'magic'"),
    ],
)
def test_render_says_what_is_wrong(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    """In this process: to start another takes longer than to be told."""
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    assert cli.main(["render", *arguments, "--out", str(tmp_path / "out")]) == 1
    assert words in capsys.readouterr().err


def test_a_fault_is_said_without_a_traceback(tmp_path: Path) -> None:
    done = run("render", "<speak>Hi</speak>", "--out", str(tmp_path / "out"), folder=tmp_path)
    assert done.returncode == 1 and "SSML" in done.stderr and "Traceback" not in done.stderr


def test_check_tries_every_engine(tmp_path: Path) -> None:
    done = run("check", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "piper" in done.stdout and "phonemes" in done.stdout and "sound" in done.stdout
    assert "avatar   warp: drew 2 frames" in done.stdout
    assert "keeps values; 1 there" in done.stdout


def test_check_finds_a_cache_that_cannot_keep_anything(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = run("check", folder=tmp_path, CACHE_DIR=str(tmp_path / "file"))
    assert done.returncode == 1 and "could not be written and read again: write_failed" in done.stdout


def test_check_refuses_a_misspelt_key(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(cli.DEFAULT_CONFIG.read_text().replace("max_ongoing_requests", "max_ongoing_request"))
    done = run("check", "--config", str(config), folder=tmp_path)
    assert done.returncode == 1 and "max_ongoing_request" in done.stderr


def test_serve_says_what_is_wrong_with_its_config(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(cli.DEFAULT_CONFIG.read_text().replace("sync_render", "sink_render"))
    done = run("serve", "--config", str(config), folder=tmp_path, PORT=str(free_port()))
    assert done.returncode == 2 and "sink_render" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(("port", "words"), [("0", "PORT"), ("x", "PORT"), ("70000", "PORT")])
def test_serve_refuses_what_is_no_port(tmp_path: Path, port: str, words: str) -> None:
    done = run("serve", folder=tmp_path, PORT=port)
    assert done.returncode == 1 and words in done.stderr


def test_check_fails_when_an_engine_does(tmp_path: Path, voices_dir: Path) -> None:
    broken = voices_dir / f"{BROKEN}.onnx"
    done = run("check", folder=tmp_path, PIPER_MODEL=str(broken), AVATAR_VOICE__LIPSYNC='{"engines": {"no-such": {}}}')
    assert done.returncode == 1 and "FAILED: there is no lipsync engine 'no-such'" in done.stdout


def test_voices_list_shows_installed_and_catalogue(tmp_path: Path) -> None:
    lines = run("voices", "list", folder=tmp_path).stdout.splitlines()
    assert len(lines) >= 163 and lines[0].startswith("en_US-joe-medium") and "default" in lines[0]
    german = run("voices", "list", "--language", "de", folder=tmp_path).stdout.splitlines()
    assert german and all(line.startswith("de_DE") for line in german)


def test_voices_download_explains_a_mirror_that_is_away(tmp_path: Path) -> None:
    """What a download does with good and bad files is in tests/deployments/tts/test_download.py."""
    nobody = f"http://127.0.0.1:{free_port()}"
    done = run("voices", "download", "en_GB-alan-low", folder=tmp_path, AVATAR_VOICES_URL=nobody)
    assert done.returncode == 1 and "AVATAR_VOICES_URL" in done.stderr and "Traceback" not in done.stderr
    assert not list((tmp_path / "voices").glob("*"))


def test_serve_does_not_carry_ray_about() -> None:
    """Its process lives as long as the server and only waits."""
    code = "import sys; from serve_app import cli, supervisor; cli._parser(); sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_usage_is_explained() -> None:
    with pytest.raises(SystemExit) as exit_info:
        cli.main(["sing"])
    assert exit_info.value.code == 2
