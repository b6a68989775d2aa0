"""Bundles: what is damaged, altered or foreign is refused."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from hepad.bundles.bundle import load_bundle
from hepad.bundles.files import read_bundle
from hepad.cards.resolver import bundled_names, resolve
from hepad.errors import CardError
from hepad.provenance import sha256_bytes, sha256_file


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A copy of a bundled model."""
    return Path(shutil.copytree(resolve("bundles", "dnn_ae"), tmp_path / "copy"))


def edit(bundle: Path, **changes: object) -> None:
    """Change the card and mend its hash, as somebody would who alters a bundle on purpose."""
    content = {**json.loads((bundle / "card.json").read_text()), **changes}
    hashes = content.pop("hashes")
    hashes["card.json"] = sha256_bytes(json.dumps(content, sort_keys=True).encode())
    (bundle / "card.json").write_text(json.dumps({**content, "hashes": hashes}))


def edit_weights(bundle: Path, **changes: np.ndarray | None) -> None:
    """Change tensors and mend the hash, as somebody would who alters a bundle on purpose."""
    tensors = {**load_file(bundle / "model.safetensors"), **changes}
    save_file({k: v for k, v in tensors.items() if v is not None}, bundle / "model.safetensors")
    edit(bundle, hashes={"model.safetensors": sha256_file(bundle / "model.safetensors")})


@pytest.mark.parametrize("name", ["snn_ae", "dnn_ae", "vae"])
def test_bundled_models_load(name: str) -> None:
    assert name in bundled_names("bundles")
    loaded = load_bundle(name)
    assert loaded.card.name == name
    assert loaded.card.provenance["inputs"][0]["name"] == "background_train.h5"
    assert set(loaded.card.regions) == {"loose", "tight"}
    assert loaded.card.regions["loose"].efficiency == pytest.approx(0.01, rel=0.05)


def test_a_flipped_bit_is_noticed(bundle: Path) -> None:
    content = bytearray((bundle / "model.safetensors").read_bytes())
    content[-5] ^= 1
    (bundle / "model.safetensors").write_bytes(content)
    with pytest.raises(CardError, match=r"does not match the sha256"):
        read_bundle(bundle)


def test_an_edited_card_is_noticed(bundle: Path) -> None:
    text = (bundle / "card.json").read_text()
    (bundle / "card.json").write_text(text.replace('"min": 23.0', '"min": 83.0', 1))
    with pytest.raises(CardError, match=r"card\.json does not match its own sha256"):
        load_bundle(str(bundle))


def test_a_pipe_is_not_waited_for(bundle: Path) -> None:
    (bundle / "model.safetensors").unlink()
    os.mkfifo(bundle / "model.safetensors")
    with pytest.raises(CardError, match="not a regular file"):
        load_bundle(str(bundle))


def test_missing_files_are_named(bundle: Path) -> None:
    (bundle / "model.safetensors").unlink()
    with pytest.raises(CardError, match=r"cannot read model\.safetensors"):
        load_bundle(str(bundle))
    (bundle / "card.json").unlink()
    with pytest.raises(CardError, match=r"cannot read card\.json"):
        load_bundle(str(bundle))


def test_not_a_folder(examples: Path) -> None:
    with pytest.raises(CardError, match="is not a bundle"):
        load_bundle(str(examples / "h0.h5"))


@pytest.mark.parametrize("text", ["", "[1]", "{", "[" * 100_000, '{"schema": "bundle/2"}'])
def test_damaged_card(text: str, bundle: Path) -> None:
    (bundle / "card.json").write_text(text)
    with pytest.raises(CardError, match=r"card\.json"):
        load_bundle(str(bundle))


def test_weights_that_are_no_safetensors(bundle: Path) -> None:
    (bundle / "model.safetensors").write_bytes(b"\x80\x04\x95pickle")
    edit(bundle, hashes={"model.safetensors": sha256_file(bundle / "model.safetensors")})
    with pytest.raises(CardError, match="not a valid safetensors"):
        load_bundle(str(bundle))


def test_only_two_fixed_names_are_opened(bundle: Path, tmp_path: Path) -> None:
    """A path in the hashes, out of the folder or not, is never opened."""
    secret = tmp_path / "secret.txt"
    secret.write_text("x")
    edit(bundle, hashes={"../secret.txt": sha256_file(secret)})
    with pytest.raises(CardError, match=r"model\.safetensors does not match"):
        load_bundle(str(bundle))


@pytest.mark.parametrize(
    ("tensor", "value", "message"),
    [
        ("input.gain", None, "input scale 'gain' must be 19"),
        ("input.gain", np.ones(18), "input scale 'gain' must be 19"),
        ("quantiles.mse.threshold", None, "background quantiles of score 'mse' are missing"),
        ("quantiles.mse.threshold", np.ones(3), "different lengths"),
        ("quantiles.mse.events", np.array([np.nan, 1.0]), "not finite and in order"),
    ],
)
def test_altered_tensors(tensor: str, value: np.ndarray | None, message: str, bundle: Path) -> None:
    edit_weights(bundle, **{tensor: value})
    with pytest.raises(CardError, match=message):
        load_bundle(str(bundle))


def test_weights_of_another_shape(bundle: Path) -> None:
    name = next(n for n in load_file(bundle / "model.safetensors") if n.startswith("model."))
    edit_weights(bundle, **{name: np.ones((2, 2), dtype=np.float32)})
    with pytest.raises(CardError, match=name.removeprefix("model.").replace(".", r"\.")):
        load_bundle(str(bundle))


def test_card_that_does_not_fit_together(bundle: Path) -> None:
    content = json.loads((bundle / "card.json").read_text())
    edit(bundle, columns=content["columns"][::-1])
    with pytest.raises(CardError, match="its columns are not those"):
        load_bundle(str(bundle))
    edit(bundle, columns=content["columns"], scores=["mse", "kl"])
    with pytest.raises(CardError, match="its scores mse, kl"):
        load_bundle(str(bundle))
    regions = {**content["regions"], "loose": {**content["regions"]["loose"], "score": "kl"}}
    edit(bundle, scores=["mse"], regions=regions)
    with pytest.raises(CardError, match="region 'loose' cuts on score 'kl'"):
        load_bundle(str(bundle))
    edit(bundle, regions=content["regions"], name="../x")
    with pytest.raises(CardError, match="'name'"):
        load_bundle(str(bundle))
    edit(bundle, name="dnn_ae", model={"name": "no_such"})
    with pytest.raises(CardError, match="unknown model 'no_such'"):
        load_bundle(str(bundle))
    edit(bundle, model={**content["model"], "extra": 1})
    with pytest.raises(CardError, match="extra"):
        load_bundle(str(bundle))
