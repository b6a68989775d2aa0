"""Bundles of somebody who means harm and mends the hashes: refused in bounded memory, and nothing in them is run."""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save, save_file

from hepad.bundles import files as module
from hepad.bundles.bundle import load_bundle
from hepad.bundles.files import read_tensors
from hepad.cards.resolver import resolve
from hepad.errors import CardError
from hepad.provenance import sha256_bytes, sha256_file

WEIGHTS = "model.safetensors"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return Path(shutil.copytree(resolve("bundles", "dnn_ae"), tmp_path / "copy"))


def mend(bundle: Path, change: Callable[[dict[str, Any]], Any] = lambda content: None) -> None:
    """Change the card, then write the hashes that its files have now."""
    content = json.loads((bundle / "card.json").read_text())
    change(content)
    content.pop("hashes")
    own = sha256_bytes(json.dumps(content, sort_keys=True).encode())
    weights = sha256_file(bundle / WEIGHTS) if (bundle / WEIGHTS).is_file() else ""
    (bundle / "card.json").write_text(json.dumps({**content, "hashes": {"card.json": own, WEIGHTS: weights}}))


def refused(bundle: Path, match: str = ".") -> None:
    with pytest.raises(CardError, match=match) as caught:
        load_bundle(str(bundle))
    assert str(bundle) in str(caught.value)
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_are_no_json_anywhere_in_the_card(value: float, bundle: Path) -> None:
    mend(bundle, lambda content: content["provenance"].update(seed=value))
    refused(bundle, "is not valid JSON")
    mend(bundle, lambda content: content.update(provenance={}, regions={"a": {"score": "mse", "threshold": value}}))
    refused(bundle)


def test_a_key_that_is_given_twice(bundle: Path) -> None:
    """Python would take the last one, and its hash would be right; another reader takes the first one."""
    text = (bundle / "card.json").read_text()
    (bundle / "card.json").write_text(text.replace('"provenance": {', '"name": "other", "provenance": {', 1))
    refused(bundle, r"card\.json is not valid JSON \(key 'name' is given twice")


def test_a_card_nested_a_thousand_deep(bundle: Path) -> None:
    text = (bundle / "card.json").read_text()
    for depth in (500, 900, 2000, 100_000):
        deep = "[" * depth + "]" * depth
        (bundle / "card.json").write_text(text.replace('"provenance": {', f'"provenance": {{"x": {deep},', 1))
        refused(bundle)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"layers": [10**9]}, "layers"),
        ({"layers": [4096] * 1000}, "layers"),
        ({"layers": []}, "layers"),
        ({"layers": [24, 12, 5]}, "has shape"),
        ({"layers": [10**400]}, "layers"),
        ({"layers": "24"}, "layers"),
        ({"name": "os.system"}, "unknown model"),
        ({"name": "../../x"}, "unknown model"),
    ],
)
def test_models_that_are_too_large_or_none(change: dict[str, Any], match: str, bundle: Path) -> None:
    mend(bundle, lambda content: content["model"].update(change))
    refused(bundle, match)


def test_inputs_that_are_too_large(bundle: Path) -> None:
    mend(bundle, lambda content: content["input"]["counts"].update(jets=10**9))
    refused(bundle, "counts")


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_weights_that_are_no_numbers(value: float, bundle: Path) -> None:
    tensors = load_file(bundle / WEIGHTS)
    name = next(n for n in tensors if n.startswith("model."))
    tensors[name] = tensors[name].astype(np.float64)
    tensors[name].flat[0] = value
    save_file(tensors, bundle / WEIGHTS)
    mend(bundle)
    refused(bundle, "must hold finite floating-point numbers")


@pytest.mark.parametrize(
    "change",
    [
        lambda array: array[..., np.newaxis],
        lambda array: array.T.copy() if array.ndim == 2 else array[:-1].copy(),
        lambda array: np.zeros((0, *array.shape[1:]), dtype=np.float32),
        lambda array: np.zeros(array.shape, dtype=np.int64),
        lambda array: np.zeros((1000, 1000), dtype=np.float32),
    ],
)
def test_every_weight_of_another_shape_or_type(change: Callable[[Any], Any], bundle: Path) -> None:
    whole = load_file(bundle / WEIGHTS)
    for name in [n for n in whole if n.startswith("model.")][:3]:
        save_file({**whole, name: change(whole[name])}, bundle / WEIGHTS)
        mend(bundle)
        refused(bundle, name.removeprefix("model."))


@pytest.mark.parametrize("name", ["../../evil", "/etc/passwd", "model.../x", "C:\\x", "model.\0", "card.json"])
def test_names_of_tensors_lead_nowhere(name: str, bundle: Path) -> None:
    before = set(bundle.parent.rglob("*"))
    save_file({**load_file(bundle / WEIGHTS), name: np.zeros(3, dtype=np.float32)}, bundle / WEIGHTS)
    mend(bundle)
    with suppress(CardError):
        load_bundle(str(bundle))
    assert set(bundle.parent.rglob("*")) == before


def test_hashes_of_other_files_and_links(bundle: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the password is hepad")
    (bundle / WEIGHTS).unlink()
    (bundle / WEIGHTS).symlink_to(secret)
    with pytest.raises(CardError, match="does not match the sha256") as caught:
        load_bundle(str(bundle))
    assert "password" not in str(caught.value)
    mend(bundle)  # with the hash of the secret
    refused(bundle, "not a valid safetensors file")
    (bundle / WEIGHTS).unlink()
    (bundle / WEIGHTS).symlink_to(bundle / WEIGHTS)
    refused(bundle, r"model\.safetensors")
    (bundle / WEIGHTS).unlink()
    (bundle / WEIGHTS).symlink_to("/dev/zero")
    refused(bundle, "not a regular file")


def test_a_huge_file_is_not_read(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (WEIGHTS, "card.json"):
        with (bundle / name).open("r+b") as stream:
            os.truncate(stream.fileno(), 1 << 40)  # sparse: it takes no room
        refused(bundle, rf"{name} has more than {module.MAX_BYTES >> 20} MiB")


def with_header(header: dict[str, Any] | bytes, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
LIES = {
    "nothing": b"",
    "a length beyond the end": with_header({"a": ENTRY}, bytes(8), 1 << 40),
    "the greatest length": with_header({"a": ENTRY}, bytes(8), (1 << 64) - 1),
    "offsets beyond the end": with_header({"a": {**ENTRY, "data_offsets": [0, 1 << 40]}}, bytes(8)),
    "offsets that fall": with_header({"a": {**ENTRY, "data_offsets": [8, 0]}}, bytes(8)),
    "offsets that overlap": with_header({"a": ENTRY, "b": ENTRY}, bytes(8)),
    "a hole": with_header({"a": ENTRY, "b": {**ENTRY, "data_offsets": [16, 24]}}, bytes(24)),
    "a shape of more than is there": with_header({"a": {**ENTRY, "shape": [1 << 40]}}, bytes(8)),
    "a shape that overflows": with_header({"a": {**ENTRY, "shape": [1 << 33, 1 << 33]}}, bytes(8)),
    "a negative shape": with_header({"a": {**ENTRY, "shape": [-2]}}, bytes(8)),
    "an unknown type": with_header({"a": {**ENTRY, "dtype": "OBJECT"}}, bytes(8)),
    "a type that numpy lacks": with_header({"a": {**ENTRY, "dtype": "F8_E4M3", "shape": [8]}}, bytes(8)),
    "more bytes than tensors": with_header({"a": ENTRY}, bytes(80)),
    "no JSON": with_header(b"{", bytes(8)),
    "JSON nested deep": with_header(b"[" * 100_000, bytes(8)),
    "a pickle": b"\x80\x04\x95\x1a\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.",
}


@pytest.mark.parametrize("lie", list(LIES))
def test_headers_of_tensors_that_lie(lie: str) -> None:
    with pytest.raises(CardError, match="not a valid safetensors file"):
        read_tensors(LIES[lie], "x")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_bytes_are_tensors_or_refused(data: st.DataObject) -> None:
    whole = save({"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(2)})
    place = data.draw(st.integers(0, len(whole) - 1))
    new = data.draw(st.binary(min_size=1, max_size=6))
    try:
        tensors = read_tensors(whole[:place] + new + whole[place + len(new) :], "x")
    except CardError:
        return
    assert sum(array.nbytes for array in tensors.values()) <= len(whole)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10**9), change=st.integers(1, 255))
def test_any_changed_byte_of_a_bundle_is_noticed(bundle: Path, place: int, change: int) -> None:
    whole = {name: (resolve("bundles", "dnn_ae") / name).read_bytes() for name in ("card.json", WEIGHTS)}
    for name, content in whole.items():
        damaged = bytearray(content)
        damaged[place % len(damaged)] ^= change
        (bundle / name).write_bytes(damaged)
        try:
            load_bundle(str(bundle))
        except CardError:
            pass
        else:  # white space between the items of the card, which means nothing
            assert json.loads(damaged) == json.loads(content)
        (bundle / name).write_bytes(content)
