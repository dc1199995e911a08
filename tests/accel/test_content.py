"""What identifies a compiled model: all that shapes it changes the key, nothing else does; big files are read once."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from savor.accel import content
from savor.accel.content import Digests, digest_of, fingerprint
from savor.flavor import saved
from tests import tiny_models

OPTIONS = {"task": "text-classification", "precision": "fp32", "provider": "cpu"}
SECONDS_NS = 10**9


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    shutil.copytree(tiny_models.saved("classifier"), folder)
    return folder


def key(model: Path, options: dict[str, str] | None = None, base: Path | None = None) -> str:
    return fingerprint(saved.read(model, base), options or OPTIONS, Digests(model.parent / "cache"))


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def edit(model: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Changes the words of MLmodel."""
    copy = model.with_name("edited")
    tiny_models.edited(model, copy, change)
    shutil.copy(copy / "MLmodel", model / "MLmodel")
    shutil.rmtree(copy)


def _write(file: Path, text: str = "other") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


SHAPING = [
    pytest.param(lambda model: flip(model / "model/model.safetensors"), id="a bit of the weights"),
    pytest.param(lambda model: flip(model / "model/config.json"), id="the configuration"),
    pytest.param(lambda model: flip(model / "components/tokenizer/tokenizer.json"), id="the tokenizer"),
    pytest.param(lambda model: (model / "components/tokenizer/special_tokens_map.json").unlink(), id="a file less"),
    pytest.param(lambda model: _write(model / "model/generation_config.json"), id="a file more"),
    pytest.param(lambda model: _write(model / "code/layers.py"), id="code"),
    pytest.param(lambda model: _write(model / "model/savor/part.bin"), id="a folder of the weights'"),
    pytest.param(
        lambda model: (model / "model/config.json").rename(model / "model/configuration.json"), id="another name"
    ),
    pytest.param(
        lambda model: edit(model, lambda words: words["flavors"]["transformers"].update(torch_dtype="torch.float16")),
        id="the recorded type",
    ),
    pytest.param(
        lambda model: edit(model, lambda words: words["flavors"]["transformers"].update(task="token-classification")),
        id="the task",
    ),
    pytest.param(
        lambda model: edit(
            model, lambda words: words["flavors"]["transformers"].update(source_model_revision="5c38ec7")
        ),
        id="what it refers to on a hub",
    ),
]


@pytest.mark.parametrize("change", SHAPING)
def test_what_shapes_a_model_changes_its_key(model: Path, change: Callable[[Path], Any]) -> None:
    before = key(model)
    change(model)
    assert key(model) != before


BESIDE = [
    pytest.param(
        lambda model: edit(model, lambda words: words.update(run_id="1f", utc_time_created="2031-01-01 00:00:00")),
        id="its run and time",
    ),
    pytest.param(
        lambda model: edit(
            model, lambda words: words["flavors"]["transformers"].update(source_model_name="/home/somebody/model")
        ),
        id="where it was logged from",
    ),
    pytest.param(lambda model: _write(model / "model_card.md"), id="its card"),
    pytest.param(lambda model: _write(model / "model/README.md"), id="its checkpoint's card"),
    pytest.param(lambda model: _write(model / "LICENSE.txt"), id="its licence"),
    pytest.param(lambda model: _write(model / "requirements.txt"), id="its requirements"),
    pytest.param(lambda model: _write(model / "registered_model_meta"), id="its registration"),
    pytest.param(lambda model: _write(model / ".git/HEAD"), id="hidden files"),
    pytest.param(lambda model: _write(model / "code/__pycache__/layers.pyc"), id="compiled code"),
    pytest.param(lambda model: _write(model / content.ATTACHED / "1f" / "model.onnx"), id="what is attached to it"),
    pytest.param(lambda model: os.utime(model / "model/model.safetensors", (1, 1)), id="its files' times"),
]


@pytest.mark.parametrize("change", BESIDE)
def test_what_does_not_shape_it_leaves_its_key(model: Path, change: Callable[[Path], Any]) -> None:
    before = key(model)
    change(model)
    assert key(model) == before


def test_a_copy_has_the_same_key(model: Path) -> None:
    copy = shutil.copytree(model, model.with_name("copy"))
    assert key(copy) == key(model)


def test_linked_weights_count(model: Path) -> None:
    before = key(model)
    weights = (model / "model").rename(model.with_name("weights"))
    (model / "model").symlink_to(weights)
    assert key(model) == before
    flip(weights / "model.safetensors")
    assert key(model) != before


def test_an_adapter_and_its_base_count(model: Path) -> None:
    base = (model / "model").rename(model.with_name("base"))
    adapter = model / "peft" / "adapter_model.safetensors"
    _write(adapter)
    words = {"peft_adaptor": "peft", "local_base_model_path": str(base)}
    edit(model, lambda all_words: all_words["flavors"]["transformers"].update(words))
    before = key(model)
    moved = base.rename(model.with_name("moved"))
    assert key(model, base=moved) == before
    flip(adapter)
    with_other_adapter = key(model, base=moved)
    flip(moved / "model.safetensors")
    assert len({before, with_other_adapter, key(model, base=moved)}) == 3


@pytest.mark.parametrize("name", OPTIONS)
def test_options_count(model: Path, name: str) -> None:
    assert key(model, {**OPTIONS, name: "other"}) != key(model)


def test_versions_count(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = key(model)
    others = {**content.versions(), "torch": "0.1"}
    monkeypatch.setattr(content, "versions", lambda: others)
    assert key(model) != before


def test_versions() -> None:
    import torch
    import transformers

    versions = content.versions()
    assert versions["torch"] == torch.__version__
    assert versions["transformers"] == transformers.__version__
    assert versions["savor-format"] == str(content.FORMAT)


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """A file that is worth remembering."""
    file = tmp_path / "weights"
    file.write_bytes(bytes(2_000_000))
    return file


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that are read whole."""
    read: list[Path] = []

    def noted(file: Path) -> str:
        read.append(file)
        return digest_of(file)

    monkeypatch.setattr(content, "digest_of", noted)
    return read


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that is ahead, so that files written now have long been there."""
    now_ns = content.time.time_ns
    monkeypatch.setattr(content.time, "time_ns", lambda: now_ns() + 10 * SECONDS_NS)


@pytest.mark.usefixtures("later")
def test_a_big_file_is_read_once(tmp_path: Path, big: Path, reads: list[Path]) -> None:
    digests = {Digests(tmp_path / "cache").of(big) for _ in range(3)}
    assert digests == {digest_of(big)}
    assert reads == [big]


@pytest.mark.usefixtures("later")
def test_a_changed_file_is_read_again(tmp_path: Path, big: Path, reads: list[Path]) -> None:
    digests = Digests(tmp_path / "cache")
    before, stat = digests.of(big), big.stat()
    flip(big)
    # Copying tools set the times back; the system's own time of the change stays.
    os.utime(big, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert digests.of(big) == digest_of(big) != before
    assert Digests(tmp_path / "cache").of(big) == digest_of(big)
    assert reads == [big, big]


@pytest.mark.usefixtures("later")
def test_another_file_in_its_place_is_read(tmp_path: Path, big: Path) -> None:
    digests = Digests(tmp_path / "cache")
    before = digests.of(big)
    other = tmp_path / "other"
    other.write_bytes(b"\1" * 2_000_000)
    other.replace(big)
    assert digests.of(big) == digest_of(big) != before


def test_a_file_that_was_just_written_is_not_trusted(tmp_path: Path, big: Path, reads: list[Path]) -> None:
    digests = Digests(tmp_path / "cache")
    assert digests.of(big) == digests.of(big)
    assert reads == [big, big]


@pytest.mark.usefixtures("later")
def test_caches_remember_for_each_other(tmp_path: Path, big: Path, reads: list[Path]) -> None:
    second = shutil.copy(big, tmp_path / "second")
    first_digests, second_digests = Digests(tmp_path / "cache"), Digests(tmp_path / "cache")
    first_digests.of(big)
    second_digests.of(second)
    third = Digests(tmp_path / "cache")
    assert (third.of(big), third.of(second)) == (digest_of(big), digest_of(second))
    assert reads == [big, second]


@pytest.mark.usefixtures("later")
def test_files_that_have_gone_are_forgotten(tmp_path: Path, big: Path) -> None:
    second = shutil.copy(big, tmp_path / "second")
    digests = Digests(tmp_path / "cache")
    digests.of(big)
    big.unlink()
    digests.of(second)
    remembered = (tmp_path / "cache" / "digests.json").read_text()
    assert str(second) in remembered
    assert str(big) not in remembered
    assert [file.name for file in (tmp_path / "cache").iterdir()] == ["digests.json"]


@pytest.mark.parametrize("text", ["{", "[1]", "", '{"a": 1}'], ids=["cut", "a list", "empty", "other words"])
def test_a_damaged_memory_is_none(tmp_path: Path, big: Path, text: str) -> None:
    (tmp_path / "digests.json").write_text(text)
    assert Digests(tmp_path).of(big) == digest_of(big)


@pytest.mark.usefixtures("later")
def test_a_memory_that_can_not_be_written(tmp_path: Path, big: Path, reads: list[Path]) -> None:
    (tmp_path / "file").touch()
    digests = Digests(tmp_path / "file" / "cache")
    assert digests.of(big) == digests.of(big) == digest_of(big)
    assert reads == [big]
