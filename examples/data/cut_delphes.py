"""Cut a Delphes ROOT file down to its first events, without ROOT.

    python cut_delphes.py INPUT.root OUTPUT.root --entries 6173

The output has the same classes, the same split branches, the same streamer information and the same process identifier
for the references; only numbers change. A TTree is stored as baskets (compressed pieces of one branch each) and one
TTree record that says where they lie, so the cut is done on bytes:

* baskets wholly inside the cut are copied as they are, with their own address updated;
* the basket in which the cut falls is uncompressed, its data and its table of entry offsets are shortened, and it is
  compressed again (the branches of a Delphes file are not flushed at common entries, so most branches have one);
* in the TTree record, entry counts, byte counts and basket addresses are overwritten in place;
* the list of keys, the list of free segments and the header of the file are made to fit.

What the script does not know, it refuses: files above 2 GB, several trees or sub-directories, baskets kept inside the
TTree record, class versions other than those of ROOT 6.12 and later. The output depends on the input, the number of
entries and the zlib library only, so a cut can be repeated.
"""

from __future__ import annotations

import argparse
import struct
import uuid
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import uproot

BLOCK = 2**24 - 1  # ROOT compresses in blocks of at most this many bytes
BYTE_COUNT = 0x40000000  # the flag that marks a byte count in front of an object
BIG = 1000  # added to a record's version where its addresses have 64 bits
TREE_VERSION, BRANCH_VERSION = 20, 13  # the layouts known here


@dataclass
class Record:
    """One record of the file: the head (a TKey, with what a subclass adds) and the body, as stored."""

    head: bytearray
    body: bytes
    class_name: str

    @classmethod
    def at(cls, raw: bytes, position: int) -> Record:
        """Read the record which starts at a position."""
        n_bytes, version, _, _, key_length = struct.unpack_from(">ihiih", raw, position)
        name = position + (34 if version > BIG else 26)
        class_name = raw[name + 1 : name + 1 + raw[name]].decode()
        head, body = raw[position : position + key_length], raw[position + key_length : position + n_bytes]
        return cls(bytearray(head), body, class_name)

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return len(self.head) + len(self.body)

    @property
    def full_size(self) -> int:
        """Bytes once uncompressed, head included."""
        return len(self.head) + struct.unpack_from(">i", self.head, 6)[0]

    def fill(self, content: bytes, *, plain: bool = False) -> None:
        """Replace the body by new content, compressed if that makes it shorter and plain is not asked for."""
        self.body = content if plain else min(content, compress(content), key=len)
        struct.pack_into(">i", self.head, 0, self.size)
        struct.pack_into(">i", self.head, 6, len(content))

    def place(self, position: int) -> None:
        """Write the record's own address into its head."""
        version = struct.unpack_from(">h", self.head, 4)[0]
        struct.pack_into(">q" if version > BIG else ">i", self.head, 18, position)


Kept = list[tuple[int, Record]]  # records with the address each had in the source


def compress(content: bytes) -> bytes:
    """Compress with zlib, in blocks with ROOT's nine-byte head: method, packed size, full size."""
    blocks = []
    for block in (content[start : start + BLOCK] for start in range(0, len(content), BLOCK)):
        packed = zlib.compress(block, 9)
        blocks += [b"ZL\x08", len(packed).to_bytes(3, "little"), len(block).to_bytes(3, "little"), packed]
    return b"".join(blocks)


def records(raw: bytes, begin: int) -> Iterator[tuple[int, Record]]:
    """All records of a file with their positions; gaps (deleted records) are passed over."""
    position = begin
    while position < len(raw):
        n_bytes = struct.unpack_from(">i", raw, position)[0]
        if n_bytes == 0:
            raise ValueError(f"no record at byte {position}")
        if n_bytes > 0:
            yield position, Record.at(raw, position)
        position += abs(n_bytes)


def skip(content: bytes, position: int, n_objects: int, known: int | None = None) -> int:
    """Position after a number of objects which lie one after another, each with a byte count in front."""
    for _ in range(n_objects):
        count, version = struct.unpack_from(">IH", content, position)
        if not count & BYTE_COUNT or known not in (None, version):
            raise ValueError(f"unexpected object (version {version}) at byte {position} of the TTree")
        position += 4 + (count & ~BYTE_COUNT)
    return position


def cut_basket(basket: uproot.models.TBasket.Model_TBasket, record: Record, n_entries: int) -> None:
    """Shorten a basket to its first entries: data, then the table of entry offsets if there is one."""
    content = bytes(basket.raw_data)
    n_before, last, border = basket.member("fNevBuf"), basket.member("fLast"), basket.border
    if last == len(record.head) + len(content):  # no table: all entries have the same size
        content = content[: n_entries * basket.member("fNevBufSize")]
        border = len(content)
    else:  # the table: a count, the offset of each entry from the start of the head, and a zero
        table = np.frombuffer(content, ">i4", offset=border)
        if len(table) != n_before + 2 or table[0] != n_before + 1:
            raise ValueError(f"table of entry offsets of {basket.parent.name} not understood")
        border = int(table[1 + n_entries]) - len(record.head)
        new_table = np.concatenate(([n_entries + 1], table[1 : 1 + n_entries], [0])).astype(">i4")
        content = content[:border] + new_table.tobytes()
    struct.pack_into(">ii", record.head, len(record.head) - 9, n_entries, len(record.head) + border)
    record.fill(content)


def cut_branch(branch: uproot.TBranch, raw: bytes, n_entries: int) -> Kept:
    """The baskets of a branch's first entries, each with the address which it had."""
    if branch.embedded_baskets:
        raise ValueError(f"branch {branch.name} keeps baskets inside the TTree record")
    kept = []
    for index, (start, stop) in enumerate(pairwise(branch.entry_offsets)):
        if start >= n_entries:
            break
        seek = int(branch.member("fBasketSeek")[index])
        record = Record.at(raw, seek)
        if stop > n_entries:
            cut_basket(branch.basket(index), record, n_entries - start)
        kept.append((seek, record))
    return kept


def patch_branch(tree: bytearray, branch: uproot.TBranch, kept: Kept, moved: dict, n_entries: int) -> tuple[int, int]:
    """Overwrite a branch's numbers in the TTree record; return its bytes before and after compression."""
    start = branch.cursor.index + (6 if branch.classname == "TBranchElement" else 0)
    skip(tree, start, 1, BRANCH_VERSION)
    full, packed = sum(record.full_size for _, record in kept), sum(record.size for _, record in kept)
    # TNamed, TAttFill, then fCompress fBasketSize fEntryOffsetLen fWriteBasket fEntryNumber, fIOFeatures,
    # fOffset fMaxBaskets fSplitLevel fEntries fFirstEntry fTotBytes fZipBytes, fBranches, fLeaves, fBaskets
    first = skip(tree, start + 6, 2)
    second = skip(tree, first + 24, 1)
    n_baskets = struct.unpack_from(">i", tree, second + 4)[0]
    old = struct.unpack_from(">iq", tree, first + 12) + struct.unpack_from(">q", tree, second + 12)
    if old != tuple(branch.member(name) for name in ("fWriteBasket", "fEntryNumber", "fEntries")):
        raise ValueError(f"numbers of branch {branch.name} are not where they should be")
    struct.pack_into(">iq", tree, first + 12, len(kept), n_entries)
    struct.pack_into(">q", tree, second + 12, n_entries)
    struct.pack_into(">qq", tree, second + 28, full, packed)
    # fBasketBytes, fBasketEntry, fBasketSeek: arrays of fMaxBaskets numbers with one byte in front of each
    position = skip(tree, second + 44, 3)
    sizes, seeks = [record.size for _, record in kept], [moved[seek] for seek, _ in kept]
    for kind, values in (">i4", sizes), (">i8", [*branch.entry_offsets[: len(kept)], n_entries]), (">i8", seeks):
        array = np.zeros(n_baskets, kind)
        array[: len(values)] = values
        tree[position + 1 : position + 1 + array.nbytes] = array.tobytes()
        position += 1 + array.nbytes
    return full, packed


def patch_tree(tree: bytearray, start: int, n_entries: int, full: int, packed: int) -> None:
    """Overwrite the TTree's own numbers: fEntries fTotBytes fZipBytes fSavedBytes fFlushedBytes."""
    skip(tree, start, 1, TREE_VERSION)
    position = skip(tree, start + 6, 4)  # TNamed, TAttLine, TAttFill, TAttMarker
    saved, flushed = struct.unpack_from(">qq", tree, position + 24)
    struct.pack_into(">qqqqq", tree, position, n_entries, full, packed, min(saved, packed), min(flushed, packed))


def cut_file(source: Path, n_entries: int) -> bytes:
    """The bytes of a file with the first entries of the source's only tree."""
    raw = source.read_bytes()
    begin, end, seek_free = struct.unpack_from(">iii", raw, 8)
    name_length, seek_info = struct.unpack_from(">i", raw, 28)[0], struct.unpack_from(">i", raw, 37)[0]
    seek_keys = struct.unpack_from(">i", raw, begin + name_length + 26)[0]
    if raw[:4] != b"root" or struct.unpack_from(">i", raw, 4)[0] >= 1_000_000 or end != len(raw):
        raise ValueError(f"{source} is not a complete ROOT file below 2 GB")
    plain = {position: record for position, record in records(raw, begin) if record.class_name != "TBasket"}
    directory, keys, info, free = map(plain.pop, (begin, seek_keys, seek_info, seek_free))
    with uproot.open(source, object_cache=None, array_cache=None) as file:
        listed = {key.fSeekKey: key for key in map(file.key, file.keys(recursive=False, cycle=True))}
        trees = [seek for seek, key in listed.items() if key.fClassName == "TTree"]
        if len(trees) != 1 or set(listed) != set(plain) or file.keys(filter_classname="TDirectory*"):
            raise ValueError(f"{source} holds other things than one TTree and plain objects")
        tree, key = file[listed[trees[0]].name()], listed[trees[0]]
        if not 0 < n_entries <= tree.num_entries or tree.member("fNClusterRange"):
            raise ValueError(f"cannot take {n_entries} of {tree.num_entries} entries")
        content = bytearray(key.get_uncompressed_chunk_cursor()[0].raw_data)
        branches = list(tree.itervalues(recursive=True))
        kept = [cut_branch(branch, raw, n_entries) if branch.num_baskets else [] for branch in branches]

    # the new addresses: first what the tree points to, in the old order, then the tree, then the lists
    tree_record = plain.pop(trees[0])
    out, moved = bytearray(raw[:begin]), {}

    def append(record: Record) -> int:
        record.place(len(out))
        out.extend(record.head + record.body)
        return len(out) - record.size

    append(directory)
    for position, record in sorted([*plain.items(), *(pair for pairs in kept for pair in pairs)], key=lambda x: x[0]):
        moved[position] = append(record)
    sums = [patch_branch(content, *pair, moved, n_entries) for pair in zip(branches, kept, strict=True) if pair[1]]
    patch_tree(content, tree.cursor.index, n_entries, *(sum(column) for column in zip(*sums, strict=True)))
    tree_record.fill(bytes(content))
    append(tree_record)
    plain[trees[0]] = tree_record
    keys.fill(struct.pack(">i", len(listed)) + b"".join(plain[seek].head for seek in listed), plain=True)
    seek_keys, seek_info, seek_free = append(keys), append(info), len(out)
    end = seek_free + len(free.head) + 10
    free.fill(struct.pack(">hii", 1, end, 2_000_000_000), plain=True)  # one free segment: all that follows
    append(free)

    # the header of the file and the record of its directory; a new identity, since readers cache by it
    identity = uuid.uuid5(uuid.UUID(bytes=raw[47:63]), f"first {n_entries} entries").bytes
    struct.pack_into(">iiii", out, 12, end, seek_free, free.size, 1)
    struct.pack_into(">ii", out, 37, seek_info, info.size)
    struct.pack_into(">i", out, begin + name_length + 10, keys.size)
    struct.pack_into(">i", out, begin + name_length + 26, seek_keys)
    out[47:63] = out[begin + name_length + 32 : begin + name_length + 48] = identity
    return bytes(out)


def main() -> None:
    """Read the command line and write the cut file."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--entries", type=int, required=True, help="number of events to keep")
    args = parser.parse_args()
    args.target.write_bytes(cut_file(args.source, args.entries))
    print(f"{args.target}: {args.entries} events, {args.target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
