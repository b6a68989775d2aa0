"""Readers of damaged files: the answer of the undamaged one, one clear error, or damage that the format cannot show.

`benchmarks/fuzz.py` does the same thousands of times, in processes with bounded memory.
"""

from __future__ import annotations

import gzip
import hashlib
import tarfile
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import awkward as ak
import h5py
import numpy as np
import pytest

from hepad.errors import HepadError, InputDataError
from hepad.io.detector.columns import Columns
from hepad.io.exchange.likelihoods import read_workspace
from hepad.io.generator.lhe import read_events as read_partons
from hepad.io.reader import open_events, read_events
from hepad.io.tables.scores import ScoreFile, ScoreWriter
from hepad.io.tables.vectors import read_arrays
from hepad.spectra.files import read_spectrum

from .mutate import Mutation, covered, random_mutation, structure, text_mutation, truncations


def events(path: Path) -> Iterable[Any]:
    with closing(open_events(path)) as source:
        yield source.entries, source.sample()
        fields = source.available()
    for chunk in read_events([path], fields):
        _, _, buffers = ak.to_buffers(ak.to_packed(chunk.events))
        yield from (np.asarray(buffers[name]).tobytes() for name in sorted(buffers))


def scores(path: Path) -> Iterable[Any]:
    with closing(ScoreFile(path)) as source:
        for piece in source.iterate(["file", "entry", "selected", "weight", "score"], 1000):
            yield from (column.tobytes() for column in piece.values())


def spectrum(path: Path) -> Iterable[Any]:
    found = read_spectrum(str(path))
    yield found.edges.tobytes(), found.counts.tobytes()


def digest(answer: Callable[[Path], Iterable[Any]], path: Path) -> str:
    return hashlib.sha256(repr(list(answer(path))).encode()).hexdigest()


def made_scores(path: Path) -> bytes:
    random = np.random.default_rng(1)
    columns = {"file": np.zeros(200, dtype=np.int32), "entry": np.arange(200), "selected": np.ones(200, dtype=bool)}
    with ScoreWriter(path, "parquet") as out:
        out.write({**columns, "weight": random.random(200), "score": random.random(200).astype(np.float32)})
        out.describe({})
    return path.read_bytes()


KINDS = {
    "delphes": ("tests/data/tbhplus_2tev.root", "x.root", events, True),
    "adc2021": ("examples/data/hplus.h5", "x.h5", events, True),
    "lhe": ("tests/data/powheg_w.lhe.gz", "x.lhe.gz", read_partons, True),
    "lhe-text": ("tests/data/powheg_w.lhe.gz", "x.lhe", read_partons, True),
    "scores": (None, "x.parquet", scores, True),
    "spectrum": ("examples/data/cms_dijet_137fb.csv", "x.csv", spectrum, False),
}


@pytest.mark.parametrize("kind", list(KINDS))
def test_damage_is_an_error_or_cannot_be_seen(kind: str, tmp_path: Path) -> None:
    source, name, answer, knows_its_length = KINDS[kind]
    path = tmp_path / name
    data = made_scores(path) if source is None else (Path(__file__).parents[2] / source).read_bytes()
    if kind == "lhe-text":
        data = gzip.decompress(data)
    path.write_bytes(data)
    whole = digest(answer, path)
    random = Random(f"1 {kind}")
    checked = covered(data)
    drawn = [random_mutation(random, data, structure(data, checked)) for _ in range(30)]
    drawn += [text_mutation(random, data) for _ in range(20)] if name.endswith(("csv", "lhe")) else []
    said: list[str] = []
    for mutation in [*list(truncations(data))[::7], *drawn]:
        path.write_bytes(mutation.apply(data))
        try:
            seen = digest(answer, path)
        except HepadError as error:
            said.append(str(error))
            continue
        if seen != whole:  # a checksum would have told, or the length
            assert mutation.kind != "truncated" or not knows_its_length, mutation
            assert not mutation.hits(data, checked), mutation
    assert len(said) > 15
    assert all(name in text and text.count("\n") < 2 for text in said)


def test_what_a_mutation_hits() -> None:
    flip = Mutation("bit", ((5, 6, b"\x01"),))
    assert flip.apply(bytes(10)) == bytes(5) + b"\x01" + bytes(4)
    assert flip.hits(bytes(10), [(3, 6)])
    assert not flip.hits(bytes(10), [(0, 5), (6, 10)])
    assert not Mutation("zeros", ((2, 8, bytes(6)),)).hits(bytes(10), [(0, 10)])
    assert Mutation("truncated", ((4, 10, b""),)).apply(bytes(10)) == bytes(4)


def test_checksums_are_found(data: Path, examples: Path) -> None:
    for path in (data / "tbhplus_2tev.root", data / "hpm_taunu_0.root", data / "powheg_w.lhe.gz", examples / "h0.h5"):
        content = path.read_bytes()
        share = sum(stop - start for start, stop in covered(content)) / len(content)
        assert 0.4 < share < 1


def flipped(path: Path, target: Path, place: int) -> Path:
    content = bytearray(path.read_bytes())
    content[place] ^= 4
    target.write_bytes(content)
    return target


def test_a_damaged_basket_is_named(data: Path, tmp_path: Path) -> None:
    import uproot

    branch = uproot.open(data / "hpm_taunu_0.root")["Delphes/Jet/Jet.PT"]
    seek, size = int(branch.member("fBasketSeek")[0]), int(branch.member("fBasketBytes")[0])
    bad = flipped(data / "hpm_taunu_0.root", tmp_path / "x.root", seek + size // 2)
    with pytest.raises(InputDataError, match=rf"'Jet\.PT', basket 0 at byte {seek}, entries 0 to 679 \("):
        list(read_events([bad], {"jets": {"pt"}}))


def test_the_damaged_one_of_many_baskets_is_named(tmp_path: Path) -> None:
    import uproot

    with uproot.recreate(tmp_path / "x.root") as file:
        out = file.mktree("Delphes", {"Jet.PT": "var * float32"}, counter_name=lambda _: "Jet_size")
        jagged = ak.from_regular(ak.Array(np.arange(300, dtype=np.float32).reshape(100, 3)))
        for _ in range(3):
            out.extend({"Jet.PT": jagged})
    with uproot.open(tmp_path / "x.root") as file:
        seek = int(file["Delphes/Jet.PT"].member("fBasketSeek")[1])
    bad = flipped(tmp_path / "x.root", tmp_path / "y.root", seek + 120)
    chunks = read_events([bad], {"jets": {"pt"}}, step_size=50)
    assert [len(next(chunks).events) for _ in range(2)] == [50, 50]
    with pytest.raises(InputDataError, match=rf"basket 1 at byte {seek}, entries 100 to 199"):
        next(chunks)


def particles(path: Path, **options: Any) -> h5py.File:
    file = h5py.File(path, "w")
    block = np.zeros((300, 19, 4), dtype=np.float32)
    block[:, 0] = (30, 0, 1, 1)
    block[:, 9] = (50, 1, 2, 4)
    file.create_dataset("Particles", data=block, **options)
    return file


def test_a_damaged_chunk_is_named(tmp_path: Path) -> None:
    with particles(tmp_path / "x.h5", chunks=(100, 19, 4), compression="gzip") as file:
        chunk = file["Particles"].id.get_chunk_info(1)
    bad = flipped(tmp_path / "x.h5", tmp_path / "y.h5", chunk.byte_offset + chunk.size // 2)
    with pytest.raises(InputDataError, match=rf"chunk at byte {chunk.byte_offset}, entries 100 to 199"):
        list(read_events([bad], {"jets": {"pt"}}))


def test_hdf5_that_lies_is_refused(tmp_path: Path) -> None:
    """Numbers that are not there are zeros to HDF5; links may lead to other files."""
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("Particles", shape=(10**9, 19, 4), chunks=(1000, 19, 4), dtype="f4")
    with pytest.raises(InputDataError, match="has 0 of 1000000 chunks"):
        open_events(path)
    with h5py.File(path, "w") as file:
        file.create_dataset("Particles", shape=(10**6, 19, 4), chunks=(10**6, 19, 4), dtype="f4")
    with pytest.raises(InputDataError, match="chunks of 304000000 bytes"):
        open_events(path)
    particles(tmp_path / "other.h5").close()
    with h5py.File(path, "w") as file:
        file["Particles"] = h5py.ExternalLink("other.h5", "Particles")
    with pytest.raises(InputDataError, match="in the file itself"):
        open_events(path)
    for content in (["text"], np.zeros((2, 19, 4), dtype="S3"), np.zeros((2, 19, 4), dtype=complex)):
        with h5py.File(path, "w") as file:
            file["Particles"] = content
        with pytest.raises(InputDataError, match="must be a dataset of numbers"):
            open_events(path)
    with h5py.File(path, "w") as file:
        file.create_group("Particles")
    with pytest.raises(InputDataError, match="must be a dataset of numbers"):
        open_events(path)


def test_negative_momenta_in_hdf5_are_refused(tmp_path: Path) -> None:
    with particles(tmp_path / "x.h5") as file:
        file["Particles"][7, 9, 0] = -50
    with pytest.raises(InputDataError, match=r"holds -50\.0 at entry 7"):
        list(read_events([tmp_path / "x.h5"], {"met": {"pt"}}))


def partons(data: Path, change: Callable[[bytes], bytes], tmp_path: Path) -> Path:
    path = tmp_path / "x.lhe"
    path.write_bytes(change(gzip.decompress((data / "powheg_w.lhe.gz").read_bytes())))
    return path


def test_the_checksum_at_the_end_of_a_compressed_file_is_looked_at(data: Path, tmp_path: Path) -> None:
    whole = (data / "powheg_w.lhe.gz").read_bytes()
    bad = flipped(data / "powheg_w.lhe.gz", tmp_path / "x.lhe.gz", len(whole) - 6)
    with pytest.raises(InputDataError, match=r"x\.lhe\.gz: damaged or truncated \(.*incorrect data check"):
        open_events(bad)


def test_les_houches_events_that_lie_are_refused(data: Path, tmp_path: Path) -> None:
    def refused(change: Callable[[bytes], bytes], match: str) -> None:
        with pytest.raises(InputDataError, match=match):
            open_events(partons(data, change, tmp_path))

    def first_event(new: bytes) -> Callable[[bytes], bytes]:
        def change(text: bytes) -> bytes:
            place = text.index(b"<event>\n") + len(b"<event>\n")
            return text[:place] + new + text[text.index(b"\n", place) :]

        return change

    refused(lambda text: text + text, "more events follow")
    refused(first_event(b"inf 1 1 1 1 1"), "event 0 is truncated or damaged")
    refused(first_event(b"99999999 1 1 1 1 1"), "event 0 is truncated or damaged")
    refused(lambda text: text.replace(b"<init>", b"<init>\n" + b"9" * (1 << 24), 1), "damaged")
    refused(lambda text: b"<LesHouchesEvents" + b"x" * (1 << 25), "<init> is missing")


def test_an_event_that_loses_momentum_is_refused(data: Path, tmp_path: Path) -> None:
    events = list(read_partons(partons(data, lambda text: text, tmp_path)))
    energy = events[3].particles[0][9]

    def change(text: bytes) -> bytes:
        lines = text.split(b"\n")
        starts = [i for i, line in enumerate(lines) if line.strip() == b"<event>"]
        fields = lines[starts[3] + 2].split()
        assert float(fields[9]) == energy
        fields[9] = b"%.8E" % (energy * 1.5)
        lines[starts[3] + 2] = b" ".join(fields)
        return b"\n".join(lines)

    with pytest.raises(InputDataError, match="event 3 is truncated or damaged"):
        open_events(partons(data, change, tmp_path))


def test_hepmc_that_lies_is_refused(data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pyhepmc")
    path = tmp_path / "x.hepmc"
    whole = gzip.decompress((data / "ttbar_hepmc3.hepmc.gz").read_bytes())
    for old, new in ((b"\nP 7 ", b"\nP 8 "), (b"\nE 0 ", b"\nE 0 99")):
        assert old in whole
        path.write_bytes(whole.replace(old, new, 1))
        with pytest.raises(InputDataError, match=r"x\.hepmc: event \d is damaged"):
            list(read_events([path], {"met": {"pt"}}))
    assert capfd.readouterr() == ("", "")
    older = gzip.decompress((data / "ttbar_hepmc2.hepmc.gz").read_bytes())
    for number in (b"x", b"0"):  # either would crash the process
        path.write_bytes(older.replace(b"\nV -335 ", b"\nV " + number + b" "))
        with pytest.raises(InputDataError, match=r"x\.hepmc: event 0 is damaged at b'V "):
            open_events(path)
    path.write_bytes(b"HepMC::Asciiv3-START_EVENT_LISTING\n" + b"x" * (1 << 25))
    with pytest.raises(InputDataError, match="a line is longer than"):
        open_events(path)


def test_a_chunk_that_is_not_found_is_no_zeros(tmp_path: Path) -> None:
    with particles(tmp_path / "x.h5", chunks=(100, 19, 4), compression="gzip") as file:
        chunk = file["Particles"].id.get_chunk_info(1)
    content = bytearray((tmp_path / "x.h5").read_bytes())
    address = content.index(chunk.byte_offset.to_bytes(8, "little"))  # behind the key: size, mask, first indices
    key = (chunk.size.to_bytes(4, "little") + bytes(4)) + b"".join(n.to_bytes(8, "little") for n in (100, 0, 0, 0))
    assert content[address - len(key) : address] == key
    content[address - 15] = 1  # the chunk now begins at column 256
    (tmp_path / "x.h5").write_bytes(content)
    with pytest.raises(InputDataError, match=r"entries 100 to 199 \(the index of the chunks is damaged"):
        list(read_events([tmp_path / "x.h5"], {"jets": {"pt"}}))
    content[address - 15], content[address - 7] = 0, 1  # what HDF5 says of the chunk is right, but it finds none
    (tmp_path / "x.h5").write_bytes(content)
    with pytest.raises(InputDataError, match="with entry 100 holds only zeros"):
        list(read_events([tmp_path / "x.h5"], {"jets": {"pt"}}, step_size=150))


@pytest.mark.parametrize(
    "content",
    [
        '{"h": {"axes": [{"type": "regular", "lower": 0, "upper": 1, "bins": 1e12}], "storage": {"values": [1]}}}',
        '{"h": {"axes": [{"type": "regular", "lower": 0, "upper": Infinity, "bins": 1}], "storage": {"values": [1]}}}',
        '{"h": {"axes": [{"type": "variable", "edges": [0, 1]}]}}',
        '{"h": {"axes": [{"type": "variable", "edges": [0, 1]}], "storage": 3}}',
        '{"h": {"axes": [{"type": "variable", "edges": [0, 1' + "0" * 400 + ']}], "storage": {"values": [1]}}}',
        '{"h": ' + "9" * 5000 + "}",
        "[" * 100_000,
    ],
)
def test_histograms_in_json_that_lie_are_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(InputDataError, match=r"x\.json") as caught:
        read_spectrum(str(tmp_path / "x.json"))
    assert len(str(caught.value)) < 600


def test_a_table_with_an_endless_cell_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(f'1,2,"{"3" * 200_000}"\n')
    with pytest.raises(InputDataError, match=r"x\.csv: field larger than"):
        read_spectrum(str(tmp_path / "x.csv"))
    (tmp_path / "x.csv").write_text("1,2," + "\0" * 500 + "\n")
    with pytest.raises(InputDataError, match=r"line 1: .*\.\.\..* is not a number|contains NUL$") as caught:
        read_spectrum(str(tmp_path / "x.csv"))
    assert len(str(caught.value)) < 200 + len(str(tmp_path))


def test_a_key_that_promises_more_than_its_blocks_hold(tmp_path: Path) -> None:
    """uproot would fill the rest with what memory held before."""
    import uproot

    with uproot.recreate(tmp_path / "x.root") as file:
        out = file.mktree("Delphes", {"Jet.PT": "var * float32"}, counter_name=lambda _: "Jet_size")
        out.extend({"Jet.PT": ak.from_regular(ak.Array(np.ones((500, 3), dtype=np.float32)))})
    with uproot.open(tmp_path / "x.root") as file:
        seek = int(file["Delphes/Jet.PT"].member("fBasketSeek")[0])
    content = bytearray((tmp_path / "x.root").read_bytes())
    content[seek + 6] = 0x10  # the first byte of fObjlen, root.cern/doc/master/classTKey.html
    (tmp_path / "x.root").write_bytes(content)
    with pytest.raises(InputDataError, match=rf"byte {seek}, entries 0 to 499 \(compressed blocks hold \d+ of 2\d+ by"):
        list(read_events([tmp_path / "x.root"], {"jets": {"pt"}}))


def test_a_basket_whose_counts_do_not_fit_its_numbers(tmp_path: Path) -> None:
    """uproot would fill the numbers that are not there with what memory held before."""
    import uproot

    with uproot.recreate(tmp_path / "x.root", compression=None) as file:
        out = file.mktree("Delphes", {"Jet.PT": "var * float32"}, counter_name=lambda _: "Jet_size")
        out.extend({"Jet.PT": ak.from_regular(ak.Array(np.ones((50, 3), dtype=np.float32)))})
    with uproot.open(tmp_path / "x.root") as file:
        branch = file["Delphes/Jet.PT"]
        seek, size = int(branch.member("fBasketSeek")[0]), int(branch.member("fBasketBytes")[0])
    content = (tmp_path / "x.root").read_bytes()
    for place in range(seek + size - 40, seek + size - 8, 4):  # the offsets are behind the numbers
        bad = content[:place] + b"\x70" + content[place + 1 :]
        (tmp_path / "y.root").write_bytes(bad)
        with pytest.raises(InputDataError, match=rf"basket 0 at byte {seek}, .* \(its counts do not fit"):
            list(read_events([tmp_path / "y.root"], {"jets": {"pt"}}))


def test_counts_that_do_not_fit_their_numbers() -> None:
    for offsets in ([0, 5, 2, 6], [0, 2, 4, 700], [-1, 2, 4, 6]):
        layout = ak.contents.ListOffsetArray(ak.index.Index64(np.array(offsets)), ak.contents.NumpyArray(np.ones(6)))
        columns = Columns(Path("x.root"), 10, {"Jet.PT": ak.Array(layout)})
        with pytest.raises(InputDataError, match=r"x\.root: branch 'Jet\.PT' is damaged somewhere in its entries 10"):
            columns.objects({"pt": "Jet.PT"})


def test_pages_of_scores_have_checksums(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    made_scores(tmp_path / "x.parquet")
    group = pq.ParquetFile(tmp_path / "x.parquet").metadata.row_group(0)
    for number in range(group.num_columns):
        column = group.column(number)
        start = column.dictionary_page_offset or column.data_page_offset
        place = start + column.total_compressed_size - 1  # of the values: the head of a page has no checksum
        bad = flipped(tmp_path / "x.parquet", tmp_path / "y.parquet", place)
        with pytest.raises(InputDataError, match=r"y\.parquet: damaged or truncated score file"):
            digest(scores, bad)


def test_the_checksum_of_an_archive_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "w.json").write_text('{"channels": [1, 2, 3]}')
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "w.json", "w.json")
    assert read_workspace(f"{tmp_path / 'x.tar.gz'}:w.json") == {"channels": [1, 2, 3]}
    size = (tmp_path / "x.tar.gz").stat().st_size
    bad = flipped(tmp_path / "x.tar.gz", tmp_path / "y.tar.gz", size - 6)
    with pytest.raises(InputDataError, match=r"y\.tar\.gz:w\.json: .*incorrect data check"):
        read_workspace(f"{bad}:w.json")


def test_a_likelihood_with_an_infinite_number_is_refused(tmp_path: Path) -> None:
    for number in ("1e999", "-1e999", "NaN", "-Infinity"):
        (tmp_path / "w.json").write_text(f'{{"channels": [{number}]}}')
        with pytest.raises(InputDataError, match=r"w\.json is not valid JSON"):
            read_workspace(str(tmp_path / "w.json"))


def test_arrays_that_do_not_unpack(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "x.npz", x=np.arange(1000))
    for place in range(60, 160, 10):
        bad = flipped(tmp_path / "x.npz", tmp_path / "y.npz", place)
        with pytest.raises(InputDataError, match=r"y\.npz is not a file of plain arrays"):
            read_arrays(bad)
