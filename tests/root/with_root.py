"""What ROOT does for `test_witness.py`, in a Python that has it: `read FILE ... OUTPUT`, or `write FOLDER SOURCE`.

`read` puts what ROOT finds in files, trees, RNTuples, histograms and strings, into one .npz. `write` makes files with
every compression, kind of branch and size of basket; `SOURCE` is a NanoAOD file of which some are copies.
"""

from __future__ import annotations

import sys
import warnings
from array import array
from pathlib import Path
from typing import Any

import numpy as np

warnings.simplefilter("ignore")
import ROOT  # noqa: E402

ROOT.gROOT.SetBatch(True)
ROOT.gErrorIgnoreLevel = ROOT.kError

ALGORITHMS = {"zlib": 1, "lzma": 2, "old": 3, "lz4": 4, "zstd": 5}
LEVELS = (1, 5, 9)
EVENTS = 60
ROWS = 40

CLASSES = """
class WitnessJet : public TObject {
public:
  Float_t PT, Eta, Phi, Mass; UInt_t BTag;
  WitnessJet() : PT(0), Eta(0), Phi(0), Mass(0), BTag(0) {}
  ClassDefInline(WitnessJet, 1)
};
class WitnessLepton : public TObject {
public:
  Float_t PT, Eta, Phi;
  WitnessLepton() : PT(0), Eta(0), Phi(0) {}
  ClassDefInline(WitnessLepton, 1)
};
class WitnessMet : public TObject {
public:
  Float_t MET, Phi;
  WitnessMet() : MET(0), Phi(0) {}
  ClassDefInline(WitnessMet, 1)
};
void clones(const char *path, int split, int basket) {
  TFile file(path, "RECREATE");
  TTree tree("Delphes", "");
  TClonesArray jets("WitnessJet"), electrons("WitnessLepton"), muons("WitnessLepton"), met("WitnessMet");
  TClonesArray *j = &jets, *e = &electrons, *m = &muons, *x = &met;
  tree.Branch("Jet", &j, basket, split);
  tree.Branch("Electron", &e, basket, split);
  tree.Branch("Muon", &m, basket, split);
  tree.Branch("MissingET", &x, basket, split);
  for (int i = 0; i < 60; i++) {
    for (auto *a : {j, e, m, x}) a->Clear("C");
    for (int k = 0; k < i % 4; k++) {
      auto *jet = static_cast<WitnessJet *>(j->ConstructedAt(k));
      jet->PT = 100 - 10 * k + i, jet->Eta = 0.1 * k, jet->Phi = 0.2 * k, jet->Mass = 5 + i, jet->BTag = k % 2;
    }
    for (int k = 0; k < i % 2; k++) {
      auto *electron = static_cast<WitnessLepton *>(e->ConstructedAt(k));
      electron->PT = 30 + i, electron->Eta = 0.5, electron->Phi = 1;
    }
    auto *missing = static_cast<WitnessMet *>(x->ConstructedAt(0));
    missing->MET = 20 + i, missing->Phi = -1;
    tree.Fill();
  }
  tree.Write();
}
void numbers(const char *path, int basket, int flush) {
  TFile file(path, "RECREATE");
  TTree tree("numbers", "");
  tree.SetAutoFlush(flush);
  Bool_t b; Char_t i1; UChar_t u1; Short_t i2; UShort_t u2; Int_t i4; UInt_t u4; Long64_t i8; ULong64_t u8;
  Float_t f4; Double_t f8; Float16_t f16, f16q; Double32_t d32, d32q;
  tree.Branch("bool", &b, "bool/O", basket); tree.Branch("int8", &i1, "int8/B", basket);
  tree.Branch("uint8", &u1, "uint8/b", basket); tree.Branch("int16", &i2, "int16/S", basket);
  tree.Branch("uint16", &u2, "uint16/s", basket); tree.Branch("int32", &i4, "int32/I", basket);
  tree.Branch("uint32", &u4, "uint32/i", basket); tree.Branch("int64", &i8, "int64/L", basket);
  tree.Branch("uint64", &u8, "uint64/l", basket); tree.Branch("float32", &f4, "float32/F", basket);
  tree.Branch("float64", &f8, "float64/D", basket); tree.Branch("f16", &f16, "f16/f", basket);
  tree.Branch("f16q", &f16q, "f16q/f[0,64,16]", basket); tree.Branch("d32", &d32, "d32/d", basket);
  tree.Branch("d32q", &d32q, "d32q/d[0,64,20]", basket);
  for (int i = 0; i < 40; i++) {
    b = i % 3 == 0, i1 = -i, u1 = 200 + i, i2 = -800 * i, u2 = 1600 * i, i4 = -50000000 * i, u4 = 100000000u * i;
    i8 = -200000000000000000ll * i, u8 = 400000000000000000ull * i, f4 = i + 0.5f, f8 = i + 0.1;
    f16 = f16q = i + 0.5f, d32 = d32q = i + 0.5;
    tree.Fill();
  }
  tree.Write();
}
void lists(const char *path, int basket, int split) {
  TFile file(path, "RECREATE");
  TTree tree("lists", "");
  std::vector<float> floats; std::vector<bool> flags; std::vector<unsigned> unsigneds; std::vector<double> doubles;
  std::vector<std::vector<float>> nested; std::string text; Float_t three[3]; Int_t n; Float_t counted[8];
  tree.Branch("floats", &floats, basket, split); tree.Branch("flags", &flags, basket, split);
  tree.Branch("unsigneds", &unsigneds, basket, split); tree.Branch("doubles", &doubles, basket, split);
  tree.Branch("nested", &nested, basket, split); tree.Branch("text", &text, basket, split);
  tree.Branch("three", three, "three[3]/F", basket); tree.Branch("n", &n, "n/I", basket);
  tree.Branch("counted", counted, "counted[n]/F", basket);
  for (int i = 0; i < 40; i++) {
    floats.assign(i % 4, i + 0.5f), flags.assign(i % 3, i % 2), unsigneds.assign(i % 5, 4000000000u - i);
    doubles.assign(i % 2, i + 0.1), text = std::string(i % 4, 'a' + i % 26), n = i % 8, nested.clear();
    for (int j = 0; j < i % 3; j++) nested.push_back(std::vector<float>(j + 1, 10 * i + j));
    for (int j = 0; j < 3; j++) three[j] = i * (j + 1);
    for (int j = 0; j < n; j++) counted[j] = i + 100 * j;
    tree.Fill();
  }
  tree.Write();
}
"""


def write(folder: Path, source: Path) -> None:
    """All files, by names that say what they have."""
    names = ["run", "nJet", "nElectron", "nMuon", "nTau", "nPhoton", "nFatJet", "genWeight", "PuppiMET_p*", "PV_npvs"]
    names += ["Jet_[pemj]*", "Jet_btagCSVV2", "Electron_[pec]*", "Muon_[pemc]*", "Photon_[pec]*", "Tau_[pemi]*"]
    names += ["FatJet_[pemj]*", "Jet_phi"]
    for algorithm, number in ALGORITHMS.items():
        for level in LEVELS:
            copy_tree(source, names, folder / f"tree_{algorithm}{level}.root", 100 * number + level, 32000)
    copy_tree(source, names, folder / "tree_none0.root", 0, 32000)
    copy_tree(source, names, folder / "tree_baskets.root", 101, 64)
    for path in sorted(folder.glob("tree_*.root")):
        if not path.stem.endswith("baskets"):
            algorithm, level = path.stem[5:-1], int(path.stem[-1])
            new = folder / path.name.replace("tree_", "rntuple_")
            import_tree(path, new, 100 * ALGORITHMS.get(algorithm, 0) + level if algorithm != "none" else 0)
    for split in (99, 0):
        ROOT.clones(str(folder / f"clones_{split}.root"), split, 400)
        ROOT.lists(str(folder / f"lists_{split}.root"), 200, split)
    for basket, flush in ((64, 0), (1000, 7), (32000, -30000000)):
        ROOT.numbers(str(folder / f"numbers_{basket}.root"), basket, flush)
    histograms(folder / "histograms.root")


def copy_tree(source: Path, names: list[str], path: Path, compression: int, basket: int) -> None:
    """The first events of a tree with the named branches."""
    old = ROOT.TFile(str(source))
    tree = old.Get("Events")
    tree.SetBranchStatus("*", 0)
    for name in names:
        tree.SetBranchStatus(name, 1)
    new = ROOT.TFile(str(path), "RECREATE", "", compression)
    copied = tree.CloneTree(0)
    copied.SetBasketSize("*", basket)
    for entry in range(EVENTS):
        tree.GetEntry(entry)
        copied.Fill()
    new.Write()
    new.Close()


def import_tree(path: Path, new: Path, compression: int) -> None:
    """The tree as an RNTuple, by ROOT's importer."""
    importer = ROOT.Experimental.RNTupleImporter.Create(str(path), "Events", str(new))
    importer.SetIsQuiet(True)
    options = ROOT.RNTupleWriteOptions()
    options.SetCompression(compression)
    importer.SetWriteOptions(options)
    importer.Import()


def histograms(path: Path) -> None:
    """Of each class, with errors of weights, without, of unequal bins."""
    file = ROOT.TFile(str(path), "RECREATE")
    edges = array("d", [0, 1, 2, 4, 8])
    for letter in "CSIFD":
        kind = getattr(ROOT, f"TH1{letter}")
        even, uneven = kind(f"even{letter}", "", 4, 0.0, 4.0), kind(f"uneven{letter}", "", 4, edges)
        for i in range(1, 5):
            even.SetBinContent(i, 3 * i)
            uneven.SetBinContent(i, 2 * i)
    weighted = ROOT.TH1D("weighted", "", 4, edges)
    weighted.Sumw2()
    for value, weight in ((0.5, 2.0), (0.5, -0.5), (3.0, 1.5), (5.0, 0.25), (9.0, 4.0)):
        weighted.Fill(value, weight)
    file.Write()
    file.Close()


def read(files: list[Path], output: Path) -> None:
    """All that ROOT finds, as arrays by `file:object:column`."""
    found: dict[str, Any] = {"version": np.array(ROOT.gROOT.GetVersion())}
    for path in files:
        file = ROOT.TFile(str(path))
        for key in file.GetListOfKeys():
            name, kind = key.GetName(), key.GetClassName()
            place = f"{path.name}:{name}"
            found[f"{place}:class"] = np.array(kind)
            if kind in ("TTree", "ROOT::RNTuple"):
                for column, values in columns(path, name).items():
                    found[f"{place}:{column}"] = values
            elif kind == "TObjString":
                found[place] = np.array(str(file.Get(name).GetString()))
            elif kind.startswith("TH1"):
                held = file.Get(name)
                bins = range(held.GetNbinsX() + 2)
                found[f"{place}:values"] = np.array([held.GetBinContent(i) for i in bins])
                found[f"{place}:errors"] = np.array([held.GetBinError(i) for i in bins])
                found[f"{place}:edges"] = np.array([held.GetBinLowEdge(i) for i in bins[1:]])
                found[f"{place}:entries"] = np.array(held.GetEntries())
        file.Close()
    np.savez(output, **found)


def columns(path: Path, name: str) -> dict[str, Any]:
    """The columns of a tree or an RNTuple as RDataFrame gives them; lists flat, with their lengths."""
    frame = ROOT.RDataFrame(name, str(path))
    result: dict[str, Any] = {}
    for column, values in frame.AsNumpy().items():
        if values.dtype != object:
            result[str(column)] = values
            continue
        lists = [np.asarray(value) for value in values]
        result[str(column)] = np.concatenate(lists) if lists else np.zeros(0)
        result[f"len({column})"] = np.array([len(each) for each in lists])
    return result


if __name__ == "__main__":
    if sys.argv[1] == "write":
        ROOT.gInterpreter.Declare(CLASSES)
        write(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        read([Path(name) for name in sys.argv[2:-1]], Path(sys.argv[-1]))
