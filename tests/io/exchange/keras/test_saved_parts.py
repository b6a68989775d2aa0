"""The parts of a SavedModel: messages, tables, checksums."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from hepad.errors import InputDataError
from hepad.io.exchange.keras import checksum
from hepad.io.exchange.keras.checksum import crc32c, unmasked
from hepad.io.exchange.keras.graph import Function, Node
from hepad.io.exchange.keras.network import Network
from hepad.io.exchange.keras.operations import apply_operation
from hepad.io.exchange.keras.table import read_table
from hepad.io.exchange.keras.tensors import tensor
from hepad.io.exchange.keras.wire import Message, varint


@pytest.mark.parametrize(
    ("data", "expected"),
    [  # RFC 3720, B.4, and the check value of the catalogue of CRCs
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
        (b"123456789", 0xE3069283),
        (b"", 0),
    ],
)
def test_checksums(data: bytes, expected: int) -> None:
    assert crc32c(data) == expected


def test_pieces_side_by_side_have_the_sum_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    data = np.random.default_rng(2).integers(0, 256, 5003, dtype=np.uint8).tobytes()
    whole = crc32c(data)
    for lanes in (8, 13, 64):
        monkeypatch.setattr(checksum, "_LANES", lanes)
        assert crc32c(data) == whole


def test_a_mask_is_taken_off() -> None:
    for crc in (0, 1, 0xE3069283, 0xFFFFFFFF):
        assert unmasked(masked(crc)) == crc


def masked(crc: int) -> int:
    """As LevelDB's util/crc32c.h has it."""
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def number(value: int) -> bytes:
    found = b""
    while value > 127:
        found, value = found + bytes([value & 127 | 128]), value >> 7
    return found + bytes([value])


def block(entries: list[tuple[bytes, bytes]]) -> bytes:
    """Keys that share what they can with the one before."""
    made, last = b"", b""
    for key, value in entries:
        shared = next((i for i, (a, b) in enumerate(zip(key, last, strict=False)) if a != b), min(len(key), len(last)))
        made += number(shared) + number(len(key) - shared) + number(len(value)) + key[shared:] + value
        last = key
    return made + struct.pack("<II", 0, 1)


def table(blocks: list[list[tuple[bytes, bytes]]], *, packed: bool) -> bytes:
    """A table in the format of LevelDB, packed by pyarrow's snappy."""
    data = b""

    def added(content: bytes) -> bytes:
        nonlocal data
        if packed:
            content = pa.Codec("snappy").compress(content, asbytes=True)
        handle = number(len(data)) + number(len(content))
        whole = content + bytes([packed])
        data += whole + struct.pack("<I", masked(crc32c(whole)))
        return handle

    index = [(entries[-1][0], added(block(entries))) for entries in blocks]
    ends = added(block([])) + added(block(index))
    return data + ends.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)


BLOCKS = [
    [(b"", b"\x08\x01"), (b"layer/bias", b"b" * 200), (b"layer/kernel", bytes(range(256)) * 3)],
    [(b"layer/moving_mean", b"abcabcabcabcabcabcabc" + bytes(70_000)), (b"z", b"")],
]


@pytest.mark.parametrize("packed", [False, True])
def test_a_table_is_read(packed: bool) -> None:
    data = table(BLOCKS, packed=packed)
    assert read_table(data) == {key: value for entries in BLOCKS for key, value in entries}
    assert packed == (len(data) < 10_000)
    for place in (0, 10, len(data) - 60, len(data) - 1):
        with pytest.raises(InputDataError):
            read_table(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
    with pytest.raises(InputDataError, match="not a complete table of variables"):
        read_table(data[:-1])


def test_a_packed_block_is_not_larger_than_it_says() -> None:
    bomb = pa.Codec("snappy").compress(bytes(80 << 20), asbytes=True) + b"\x01"
    handle = number(0) + number(len(bomb) - 1)
    data = bomb + struct.pack("<I", masked(crc32c(bomb)))
    footer = (number(0) + number(0) + handle).ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)
    with pytest.raises(InputDataError, match="a packed block of 83886080 bytes, more than 67108864"):
        read_table(data + footer)


def test_keys_that_share_their_start_are_counted_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    data = table([[(b"k" * 900 + bytes([i]), b"") for i in range(100)]], packed=False)
    assert len(read_table(data)) == 100
    assert len(data) < 20_000
    monkeypatch.setattr("hepad.io.exchange.keras.table.MAX_BLOCK", 20_000)
    with pytest.raises(InputDataError, match="more than 20000 bytes of names"):
        read_table(data)


def operation(name: str, inputs: list[Any], attribute: bytes = b"") -> Any:
    entry = b"\x0a" + number(len(b"DstT")) + b"DstT" + b"\x12" + number(len(attribute)) + attribute
    network = Network()
    value = network.input((3,))
    node = Node("n", name, (), Message(b"\x2a" + number(len(entry)) + entry))
    (found,) = apply_operation(network, node, [value if one is ... else one for one in inputs])
    return found, network


def test_no_operation_is_along_the_events() -> None:
    network = Network()
    turned = network.transpose(network.input((3,)), (1, 0))
    for along in (
        lambda: network.mean(turned, [1], keep=True),
        lambda: network.mean(turned, [-1], keep=False, operator="ReduceMax"),
        lambda: network.unary("Softmax", turned, axis=-1),
        lambda: network.unary("Softmax", network.input((3,)), axis=0),
    ):
        with pytest.raises(InputDataError, match="along the events depends on all events of a file"):
            along()
    assert network.unary("Softmax", turned, axis=0).shape == (3, -1)
    with pytest.raises(InputDataError, match="a number is made of the number of events"):
        operation("Cast", [np.array([-1, 3])], b"\x30\x01")
    value, network = operation("Cast", [...], b"\x30\x01")
    assert b"Cast" in network.to_bytes(value)


def test_what_would_be_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hepad.io.exchange.keras.reshaping.MAX_VALUES", 5)
    for name, inputs in (("ConcatV2", [np.ones(3), np.ones(3), np.array(0)]), ("Pack", [np.ones(3), np.ones(3)])):
        with pytest.raises(InputDataError, match="its result is too large"):
            operation(name, inputs)
    network = Network()
    with pytest.raises(InputDataError, match="is too large"):
        network.binary("Add", network.input((1 << 13, 1)), np.ones((1, 1 << 12), "f4"))
    nodes = Function("f", (), (), {}, Message(b"\x1a\x00" * 10_001))
    with pytest.raises(InputDataError, match="more than 10000 operations"):
        len(nodes.nodes)


def test_messages() -> None:
    text = number(2 << 3 | 2) + number(3) + b"abc"
    fixed = number(5 << 3 | 5) + struct.pack("<f", 1.5) + number(6 << 3 | 1) + struct.pack("<d", -2.5)
    inner = number(4 << 3 | 2) + number(len(text)) + text
    entry = number(1 << 3 | 2) + number(1) + b"k" + number(2 << 3 | 2) + number(len(text)) + text
    mapping = number(9 << 3 | 2) + number(len(entry)) + entry
    packed = number(7 << 3 | 2) + number(3) + number(300) + number(1)
    negative = number(8 << 3) + b"\xff" * 9 + b"\x01"
    message = Message(number(1 << 3) + number(150) + text + fixed + inner + mapping + packed + negative)
    assert (message.integer(1), message.text(2), message.raw(3), message.integer(30, 7)) == (150, "abc", b"", 7)
    assert (message.fixed(5, "f"), message.fixed(6, "d")) == ([1.5], [-2.5])
    assert message.message(4).text(2) == "abc"
    assert message.mapping(9)["k"].text(2) == "abc"
    assert (message.integers(7), message.integers(8)) == ([300, 1], [-1])
    assert 4 in message
    assert 30 not in message


@pytest.mark.parametrize("data", [b"\x80", b"\x12\x05abc", b"\x0b", b"\x0d\x00", b"\xff" * 11, b"\x02\x00"])
def test_what_is_no_message(data: bytes) -> None:
    with pytest.raises(InputDataError, match="ends too early or is no message"):
        Message(data)


def test_a_number_has_64_bits() -> None:
    assert varint(b"\xac\x02", 0) == (300, 2)
    with pytest.raises(InputDataError):
        varint(b"\x80" * 10 + b"\x01", 0)


def test_constants() -> None:
    def constant(kind: int, shape: tuple[int, ...], values: bytes) -> Message:
        sizes = b"".join(b"\x12" + number(len(size)) + size for size in (b"\x08" + number(n) for n in shape))
        return Message(b"\x08" + number(kind) + b"\x12" + number(len(sizes)) + sizes + values)

    floats = b"\x2a\x08" + struct.pack("<ff", 2.5, 0.5)
    np.testing.assert_array_equal(tensor(constant(1, (2, 2), floats)), np.array([[2.5, 0.5], [0.5, 0.5]], "f4"))
    raw = b"\x22\x08" + struct.pack("<ii", -1, 4)
    np.testing.assert_array_equal(tensor(constant(3, (2,), raw)), np.array([-1, 4], "i4"))
    for wrong in (constant(1, (1,), floats), constant(3, (3,), raw), constant(1, (1 << 13, 1 << 13), floats)):
        with pytest.raises(InputDataError, match="a constant of"):
            tensor(wrong)
