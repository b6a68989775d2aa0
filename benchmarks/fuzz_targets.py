"""The kinds of files that `fuzz.py` damages: where a small undamaged one comes from, and what reading it means."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import h5py
import numpy as np
import uproot

from hepad.bundles import files as bundle
from hepad.bundles.bundle import load_bundle
from hepad.cards import analysis, base, budget, fit, search, selection, study
from hepad.cards.resolver import resolve
from hepad.inputs.batch import Batch
from hepad.io import reader
from hepad.io.exchange import archive, likelihoods, onnx_file
from hepad.io.generator import lhe
from hepad.io.tables import masses, scores, vectors
from hepad.models.onnx import OnnxScorer
from hepad.spectra import files as spectra
from hepad.spectra import planes

__all__ = ["TARGETS", "Target"]

DATA = Path(__file__).resolve().parent.parent / "tests" / "data"
EXAMPLES = Path(__file__).resolve().parent.parent / "examples" / "data"


@dataclass(frozen=True)
class Target:
    """One kind of file.

    `make` gives the undamaged bytes (it may put other files beside), `answer` yields what a reader says of a path;
    `text`: tokens are damaged too; `knows_its_length`: a reader can tell that the end is missing; `covers_all`: every
    byte is hashed; `names_file`: errors must hold the name of the file; `share`: how often to
    damage it, of what was asked for: reading some is slow.
    """

    file: str
    make: Callable[[Path], bytes]
    answer: Callable[[Path], Iterable[Any]]
    text: bool = False
    knows_its_length: bool = True
    covers_all: bool = False
    share: float = 1.0
    names_file: bool = True

    def read(self, path: Path, *, warm: bool = False) -> str:
        """A digest of the answer; `warm` loads libraries only."""
        if warm:
            return ""
        digest = hashlib.sha256()
        for piece in self.answer(path):
            _add(digest, piece)
        return digest.hexdigest()


def _add(digest: Any, piece: Any) -> None:
    if isinstance(piece, ak.Array):
        form, length, buffers = ak.to_buffers(ak.to_packed(piece))
        digest.update(f"{form.type} {length}".encode())
        for name in sorted(buffers):
            digest.update(np.ascontiguousarray(buffers[name]))
    elif isinstance(piece, np.ndarray):
        digest.update(f"{piece.dtype} {piece.shape}".encode())
        digest.update(piece.tobytes() if piece.dtype != object else repr(piece.tolist()).encode())
    else:
        digest.update(repr(piece).encode())


def events(path: Path) -> Iterable[Any]:
    """Everything that a file of events can give."""
    with closing(reader.open_events(path)) as source:
        yield source.entries
        yield source.sample()
        fields = source.available()
        yield sorted(fields)
    for chunk in reader.read_events([path], fields, step_size=300):
        yield chunk.events


def partons(path: Path) -> Iterable[Any]:
    """The events of a Les Houches file, not showered."""
    with closing(reader.open_events(path)) as source:
        yield source.entries
        yield source.sample()
    yield lhe.read_header(path).processes
    yield from lhe.read_events(path)


def score_rows(path: Path) -> Iterable[Any]:
    """All columns of a score file."""
    with closing(scores.ScoreFile(path)) as source:
        yield source.entries, source.info, source.regions
        for piece in source.iterate(["file", "entry", "selected", "weight", "score"], 100):
            yield from piece.values()


def spectrum(path: Path) -> Iterable[Any]:
    """A histogram."""
    found = spectra.read_spectrum(f"{path}:h" if path.suffix == ".root" else str(path))
    yield from (found.edges, found.counts, found.variances, found.reference)


def plane(path: Path) -> Iterable[Any]:
    """A histogram of two axes."""
    found = planes.read_plane(f"{path}:data")
    yield from (*found.edges, found.counts, found.variances, found.titles)


def table(path: Path) -> Iterable[Any]:
    """Columns of masses."""
    yield masses.read_masses(str(path), ["m"])


def arrays(path: Path) -> Iterable[Any]:
    """All arrays of a file of vectors."""
    for name, array in sorted(vectors.read_arrays(path).items()):
        yield from (name, array)


def whole_bundle(path: Path) -> Iterable[Any]:
    """A bundle ready to score, of which `path` is a file."""
    loaded = load_bundle(str(path.parent))
    yield loaded.card
    for name, array in sorted(bundle.read_bundle(path.parent)[1].items()):
        yield from (name, array)


def network(path: Path) -> Iterable[Any]:
    """What is known of an ONNX network of 19 columns, and its scores of some events."""
    scorer = OnnxScorer({"score": "mse"}, [f"c{i}" for i in range(19)])
    scorer.load_state({"onnx": np.frombuffer(onnx_file.read_onnx(path), dtype=np.uint8)})
    yield scorer.graph
    x = np.random.default_rng(1).random((20, 19), dtype=np.float32)
    yield scorer.scores(Batch("l1_vector", scorer.columns, x, x != 0, np.ones(20)))["mse"]


def workspace(path: Path) -> Iterable[Any]:
    """A likelihood."""
    yield likelihoods.read_workspace(str(path) if path.suffix == ".json" else f"{path}:one/w.json")


def unpacked(path: Path) -> Iterable[Any]:
    """The files of an archive."""
    out = path.parent / "out"
    shutil.rmtree(out, ignore_errors=True)
    archive.unpack_files(path, out)
    for file in sorted(out.rglob("*")):
        if file.is_file() and file.name != archive.MANIFEST:
            yield str(file.relative_to(out)), file.read_bytes()


def _file(path: Path) -> Callable[[Path], bytes]:
    return lambda _: path.read_bytes()


def _plain(path: Path) -> Callable[[Path], bytes]:
    return lambda _: gzip.decompress(path.read_bytes())


def delphes_like(compression: Any, basket: int = 100) -> Callable[[Path], bytes]:
    """A slim of a real Delphes file, compressed in some way."""

    def make(folder: Path) -> bytes:
        names = ["Jet.PT", "Jet.Eta", "Jet.Phi", "Jet.Mass", "Muon.PT", "Muon.Eta", "Muon.Phi", "Muon.Charge"]
        names += ["MissingET.MET", "MissingET.Phi", "Weight.Weight"]
        tree = uproot.open(DATA / "hpm_taunu_0.root")["Delphes"]
        content = {name: tree[name].array(entry_stop=300) for name in names}
        types = {name: ak.type(array).content for name, array in content.items()}
        with uproot.recreate(folder / "made.root", compression=compression) as file:
            out = file.mktree("Delphes", types, counter_name=lambda key: key.replace(".", "_") + "_size")
            for start in range(0, 300, basket):
                out.extend({name: array[start : start + basket] for name, array in content.items()})
        return (folder / "made.root").read_bytes()

    return make


def _onnx(_: Path) -> bytes:
    """A small network of eight bits that reads the number of events off its input."""
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(1)
    numbers = {"w": random.integers(-99, 99, (19, 19)).astype("int8"), "b": random.random(19).astype("float32")}
    numbers |= {"s": np.float32(0.01), "z": np.int8(0), "n0": np.array([0]), "n1": np.array([1]), "n19": np.array([19])}
    nodes = [
        helper.make_node(*node)
        for node in (
            ("QuantizeLinear", ["x", "s", "z"], ["q"]), ("DequantizeLinear", ["q", "s", "z"], ["d"]),
            ("DequantizeLinear", ["w", "s", "z"], ["v"]), ("Gemm", ["d", "v", "b"], ["h"]), ("Relu", ["h"], ["r"]),
            ("Shape", ["x"], ["shape"]), ("Slice", ["shape", "n0", "n1"], ["events"]),
        )
    ]  # fmt: skip
    nodes.append(helper.make_node("Concat", ["events", "n19"], ["wanted"], axis=0))
    nodes.append(helper.make_node("Reshape", ["r", "wanted"], ["y"]))
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 19]) for name in ("x", "y")]
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in numbers.items()]
    graph = helper.make_graph(nodes, "network", values[:1], values[1:], tensors)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(made.SerializeToString(deterministic=True))


def _contiguous(folder: Path) -> bytes:
    with h5py.File(EXAMPLES / "hplus.h5") as old, h5py.File(folder / "made.h5", "w") as new:
        new["Particles"] = old["Particles"][:200]
    return (folder / "made.h5").read_bytes()


def _chunked(folder: Path) -> bytes:
    with h5py.File(EXAMPLES / "hplus.h5") as old, h5py.File(folder / "made.h5", "w") as new:
        new.create_dataset("Particles", data=old["Particles"][:], chunks=(100, 19, 4), compression="gzip")
    return (folder / "made.h5").read_bytes()


def _scores(kind: Any) -> Callable[[Path], bytes]:
    def make(folder: Path) -> bytes:
        random = np.random.default_rng(1)
        path = folder / f"made.{kind}"
        with scores.ScoreWriter(path, kind) as out:
            for start in (0, 500):
                selected = random.random(500) < 0.6
                score = np.where(selected, random.exponential(size=500), np.nan).astype(np.float32)
                out.write(
                    {
                        "file": np.zeros(500, dtype=np.int32),
                        "entry": np.arange(start, start + 500),
                        "selected": selected,
                        "weight": random.random(500),
                        "score": score,
                        "in_loose": score > 2,
                    }
                )
            out.describe({"command": ["hepad", "score"], "seed": 1})
        return path.read_bytes()

    return make


def _histogram(kind: str) -> Callable[[Path], bytes]:
    def make(folder: Path) -> bytes:
        import hist

        found = hist.Hist.new.Var([0.0, 1, 3, 7, 20, 50]).Weight()
        found.fill(np.random.default_rng(1).exponential(8, 1000), weight=0.5)
        path = folder / f"made.{kind}"
        write = spectra.write_histograms_root if kind == "root" else spectra.write_histograms_json
        write(path, {"h": found}, {"command": "x"})
        return path.read_bytes()

    return make


def _table(kind: str) -> Callable[[Path], bytes]:
    def make(folder: Path) -> bytes:
        import pyarrow as pa
        import pyarrow.parquet as pq

        values = np.random.default_rng(1).exponential(500, 2000)
        path = folder / f"made.{kind}"
        if kind == "npz":
            np.savez_compressed(path, m=values)
        elif kind == "parquet":
            pq.write_table(pa.table({"m": values}), path)
        else:
            with uproot.recreate(path) as file:
                file.mktree("t", {"m": np.float64}).extend({"m": values})
        return path.read_bytes()

    return make


def _bundle(name: str) -> Callable[[Path], bytes]:
    def make(folder: Path) -> bytes:
        shutil.copytree(resolve("bundles", "dnn_ae"), folder, dirs_exist_ok=True)
        return (folder / name).read_bytes()

    return make


def _mended(folder: Path) -> bytes:
    """The bundle's weights, whose hash nobody checks: what a forger who mends hashes could send."""
    shutil.copytree(resolve("bundles", "dnn_ae"), folder, dirs_exist_ok=True)
    return (folder / bundle.WEIGHTS).read_bytes()


def mended_bundle(path: Path) -> Iterable[Any]:
    """A bundle whose hashes are those of its files, whatever they hold."""
    folder = path.parent
    content = json.loads((resolve("bundles", "dnn_ae") / bundle.CARD).read_text())
    content["hashes"][bundle.WEIGHTS] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / bundle.CARD).write_text(json.dumps(content))
    yield from whole_bundle(path)


def _workspace(_: Path) -> bytes:
    sample = {"name": "s", "data": [5.0, 6.0], "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]}
    content = {
        "channels": [{"name": "c", "samples": [sample, {"name": "b", "data": [50.0, 60.0], "modifiers": []}]}],
        "observations": [{"name": "c", "data": [51.0, 63.0]}],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": []}}],
        "version": "1.0.0",
    }
    return json.dumps(content, indent=1).encode()


def _tar(folder: Path) -> bytes:
    import tarfile

    (folder / "w.json").write_bytes(_workspace(folder))
    with tarfile.open(folder / "made.tar.gz", "w:gz") as out:
        out.add(folder / "w.json", "one/w.json")
    return (folder / "made.tar.gz").read_bytes()


def _archive(folder: Path) -> bytes:
    files = {"analyses/a.yaml": resolve("analyses", "snn_ae"), "selections/s.yaml": resolve("selections", "adc2021")}
    archive.pack_files(folder / "made.zip", files, name="a", card="analyses/a.yaml", provenance={"hepad": "x"})
    return (folder / "made.zip").read_bytes()


def _card(folder: str, name: str, load: Callable[[str], Any]) -> Target:
    return Target(
        "card.yaml",
        _file(resolve(folder, name)),
        lambda path: [load(str(path))],
        text=True,
        knows_its_length=False,
    )


def _search(path: str) -> Any:
    return base.load_card(search.SearchCard, Path(path))


TARGETS: dict[str, Target] = {
    "delphes": Target("x.root", _file(DATA / "hpm_taunu_0.root"), events, share=0.15),
    "delphes-slim-xz": Target("x.root", _file(DATA / "tbhplus_2tev.root"), events),
    "delphes-slim-zlib": Target("x.root", delphes_like(uproot.ZLIB(1)), events),
    "delphes-slim-lz4": Target("x.root", delphes_like(uproot.LZ4(1)), events),
    "delphes-slim-zstd": Target("x.root", delphes_like(uproot.ZSTD(1)), events),
    "delphes-slim-none": Target("x.root", delphes_like(None), events),
    "adfilter-2024": Target("x.root", _file(DATA / "adfilter_double32.root"), events, share=0.15),
    "adfilter": Target("x.root", _file(DATA / "random_events.root"), events, share=0.15),
    "nanoaod": Target("x.root", _file(DATA / "nanoaod_cms_2015_ttbar.root"), events, share=0.15),
    "physlite": Target("x.root", _file(DATA / "physlite_slim.root"), events, share=0.15),
    "adc2021": Target("x.h5", _chunked, events),
    "adc2021-plain": Target("x.h5", _contiguous, events),
    "lhe": Target("x.lhe", _plain(DATA / "ttbar.lhe.gz"), partons, text=True),
    "lhe-gz": Target("x.lhe.gz", _file(DATA / "powheg_w.lhe.gz"), partons),
    "lhe-showered": Target("x.lhe", _plain(DATA / "powheg_w.lhe.gz"), events, text=True, share=0.15),
    "hepmc2": Target("x.hepmc", _plain(DATA / "ttbar_hepmc2.hepmc.gz"), events, text=True),
    "hepmc2-gz": Target("x.hepmc.gz", _file(DATA / "ttbar_hepmc2.hepmc.gz"), events),
    "hepmc3": Target("x.hepmc", _plain(DATA / "ttbar_hepmc3.hepmc.gz"), events, text=True),
    "hepmc3-gz": Target("x.hepmc.gz", _file(DATA / "ttbar_hepmc3.hepmc.gz"), events),
    "scores-root": Target("x.root", _scores("root"), score_rows),
    "scores-parquet": Target("x.parquet", _scores("parquet"), score_rows),
    "spectrum-root": Target("x.root", _histogram("root"), spectrum),
    "spectrum-json": Target("x.json", _histogram("json"), spectrum, text=True),
    "spectrum-csv": Target(
        "x.csv", _file(EXAMPLES / "atlas_dijet_139fb.csv"), spectrum, text=True, knows_its_length=False
    ),
    "plane": Target("x.root", _file(EXAMPLES / "plane.root"), plane),
    "masses-root": Target("x.root", _table("root"), table),
    "masses-parquet": Target("x.parquet", _table("parquet"), table),
    "masses-npz": Target("x.npz", _table("npz"), table),
    "vectors-npz": Target("x.npz", _table("npz"), arrays),
    "bundle-card": Target("card.json", _bundle(bundle.CARD), whole_bundle, text=True, covers_all=True),
    "bundle-weights": Target("model.safetensors", _bundle(bundle.WEIGHTS), whole_bundle, covers_all=True),
    "bundle-forged": Target("model.safetensors", _mended, mended_bundle, knows_its_length=True, names_file=False),
    "onnx": Target("x.onnx", _onnx, network, names_file=False),
    "workspace-json": Target("x.json", _workspace, workspace, text=True),
    "workspace-tar": Target("x.tar.gz", _tar, workspace),
    "archive": Target("x.hepad.zip", _archive, unpacked, covers_all=True),
    "card-selection": _card("selections", "adc2021", selection.load_selection),
    "card-analysis": _card("analyses", "snn_ae", analysis.load_analysis),
    "card-search": _card("analyses", "atlas_2023_ad_two_body", _search),
    "card-fit": _card("fits", "dijet4", fit.load_fit),
    "card-budget": _card("budgets", "cms-l1", budget.load_budget),
    "card-device": _card("budgets/devices", "vu9p", budget.load_device),
    "card-study": _card("analyses/studies", "adc2021", study.load_study),
}
