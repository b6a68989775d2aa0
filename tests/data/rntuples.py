"""Write `rntuple_*.root` with ROOT: events of other files of this folder as RNTuples, and one of every type of field.

`pip install root==0.1a12 uproot`, then `python rntuples.py`. The layouts are those of CMS (collections of untyped
records, as its output module for NanoAOD makes them, and what ROOT's importer makes of a tree), of ATLAS (`:` between
the names of a container and its variable) and of Delphes as the importer names it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import ROOT
import uproot

HERE = Path(__file__).parent
CPP = r"""
#include <ROOT/RField.hxx>
#include <ROOT/RNTupleModel.hxx>
#include <ROOT/RNTupleWriter.hxx>
#include <ROOT/RNTupleWriteOptions.hxx>

// Collections of untyped records and numbers, filled by their bytes.
struct Filler {
  Filler() {}
  std::unique_ptr<ROOT::RNTupleModel> model = ROOT::RNTupleModel::CreateBare();
  std::unique_ptr<ROOT::RNTupleWriter> writer;
  std::unique_ptr<ROOT::REntry> entry;
  std::map<std::string, std::vector<char>> bytes;
  std::map<std::string, bool> lists;

  std::unique_ptr<ROOT::RFieldBase> record(const std::string &name, const std::vector<std::string> &members) {
    std::vector<std::unique_ptr<ROOT::RFieldBase>> items;
    for (std::size_t i = 0; i < members.size(); i += 3) {
      items.push_back(ROOT::RFieldBase::Create(members[i], members[i + 1]).Unwrap());
      items.back()->SetDescription(members[i + 2]);
    }
    return std::make_unique<ROOT::RRecordField>(name, std::move(items));
  }
  void collection(const std::string &name, const std::vector<std::string> &members) {
    model->AddField(ROOT::RVectorField::CreateUntyped(name, record("_0", members)));
    lists[name] = true;
  }
  void single(const std::string &name, const std::vector<std::string> &members) {
    model->AddField(record(name, members));
    lists[name] = false;
  }
  void field(const std::string &name, const std::string &type) {
    model->AddField(ROOT::RFieldBase::Create(name, type).Unwrap());
    lists[name] = type.rfind("std::vector", 0) == 0;
  }
  void open(const std::string &ntuple, const std::string &file, int compression) {
    ROOT::RNTupleWriteOptions options;
    options.SetCompression(compression);
    model->Freeze();
    writer = ROOT::RNTupleWriter::Recreate(std::move(model), ntuple, file, options);
    entry = writer->GetModel().CreateBareEntry();
    for (auto &[name, _] : lists) bytes[name].reserve(16);
  }
  void set(const std::string &name, const std::string &data) {
    auto &held = bytes[name];
    held.assign(data.begin(), data.end());
    if (lists[name]) entry->BindRawPtr<void>(name, &held);
    else entry->BindRawPtr<void>(name, held.data());
  }
  void fill() { writer->Fill(*entry); }
  void cluster() { writer->CommitCluster(); }
  void close() { entry.reset(); writer.reset(); }
};

// Every kind of field, 30 entries in three clusters; tests/io/root/test_ntuple.py knows the numbers.
void every_type(const std::string &file, int compression) {
  auto model = ROOT::RNTupleModel::Create();
  auto i1 = model->MakeField<std::int8_t>("int8");
  auto u1 = model->MakeField<std::uint8_t>("uint8");
  auto i2 = model->MakeField<std::int16_t>("int16");
  auto u2 = model->MakeField<std::uint16_t>("uint16");
  auto i4 = model->MakeField<std::int32_t>("int32");
  auto u4 = model->MakeField<std::uint32_t>("uint32");
  auto i8 = model->MakeField<std::int64_t>("int64");
  auto u8 = model->MakeField<std::uint64_t>("uint64");
  auto yes = model->MakeField<bool>("bool");
  auto f4 = model->MakeField<float>("float");
  auto f8 = model->MakeField<double>("double");
  auto text = model->MakeField<std::string>("text");
  auto texts = model->MakeField<std::vector<std::string>>("texts");
  auto floats = model->MakeField<std::vector<float>>("floats");
  auto flags = model->MakeField<std::vector<bool>>("flags");
  auto nested = model->MakeField<std::vector<std::vector<std::int32_t>>>("nested");
  auto three = model->MakeField<std::array<float, 3>>("three");
  auto fixed = model->MakeField<std::vector<std::array<double, 2>>>("fixed");
  auto pair = model->MakeField<std::pair<float, std::int32_t>>("pair");
  auto perhaps = model->MakeField<std::optional<float>>("perhaps");
  auto d32 = std::make_unique<ROOT::RField<double>>("d32");
  d32->SetDouble32();
  auto half = std::make_unique<ROOT::RField<float>>("half");
  half->SetHalfPrecision();
  auto cut = std::make_unique<ROOT::RField<float>>("cut");
  cut->SetTruncated(20);
  auto steps = std::make_unique<ROOT::RField<float>>("steps");
  steps->SetQuantized(0., 32., 10);
  model->AddField(std::move(d32));
  model->AddField(std::move(half));
  model->AddField(std::move(cut));
  model->AddField(std::move(steps));
  auto vd = model->GetDefaultEntry().GetPtr<double>("d32");
  auto vh = model->GetDefaultEntry().GetPtr<float>("half");
  auto vc = model->GetDefaultEntry().GetPtr<float>("cut");
  auto vs = model->GetDefaultEntry().GetPtr<float>("steps");
  ROOT::RNTupleWriteOptions options;
  options.SetCompression(compression);
  auto writer = ROOT::RNTupleWriter::Recreate(std::move(model), "numbers", file, options);
  std::shared_ptr<float> late;
  for (int i = 0; i < 30; i++) {
    if (i == 20) {
      auto updater = writer->CreateModelUpdater();
      updater->BeginUpdate();
      late = updater->MakeField<float>("late");
      updater->CommitUpdate();
    }
    if (late) *late = i;
    *i1 = -i, *u1 = 200 + i, *i2 = -1000 * i, *u2 = 2000 * i, *i4 = -10000000 * i, *u4 = 100000000u * i;
    *i8 = -1000000000000000ll * i, *u8 = 600000000000000000ull * i, *yes = i % 3 == 0;
    *f4 = i + 0.5f, *f8 = i + 0.1, *vd = i + 0.25, *vh = i / 2.f, *vc = i, *vs = i;
    *text = std::string(i % 4, 'a' + i % 26);
    texts->assign(i % 3, *text), floats->assign(i % 4, i + 0.5f), flags->assign(i % 5, i % 2);
    nested->clear();
    for (int j = 0; j < i % 3; j++) nested->push_back(std::vector<std::int32_t>(j + 1, 10 * i + j));
    *three = {float(i), float(2 * i), float(3 * i)};
    fixed->assign(i % 3, {1. * i, -1. * i});
    pair->first = i, pair->second = -i;
    *perhaps = i % 2 ? std::optional<float>(i) : std::nullopt;
    writer->Fill();
    if (i % 10 == 9) writer->CommitCluster();
  }
}
"""
CPP_NAMES = {"f4": "float", "f8": "double", "i4": "std::int32_t", "u4": "std::uint32_t", "b1": "bool"}
CPP_NAMES.update({"i1": "std::int8_t", "u1": "std::uint8_t", "i8": "std::int64_t", "u8": "std::uint64_t"})
ZSTD, LZ4, ZLIB, LZMA, NONE = 505, 404, 101, 207, 0


def members(dtype: np.dtype[Any], said: Mapping[str, str]) -> list[str]:
    """Names, types and descriptions, one after the other."""
    of = {name: CPP_NAMES[dtype[name].str[1:]] for name in dtype.names or ()}
    return [text for name, kind in of.items() for text in (name, kind, said.get(name, ""))]


def packed(columns: Mapping[str, Any]) -> Iterator[np.ndarray]:
    """A record array an event, with the padding of C++."""
    arrays = {name: ak.Array(values) for name, values in columns.items()}
    types = [(name, ak.to_numpy(ak.flatten(values, axis=None)).dtype) for name, values in arrays.items()]
    dtype = np.dtype(types, align=True)
    for entry in range(len(next(iter(arrays.values())))):
        parts = {name: np.atleast_1d(ak.to_numpy(values[entry])) for name, values in arrays.items()}
        record = np.zeros(len(next(iter(parts.values()))), dtype=dtype)
        for name, values in parts.items():
            record[name] = values
        yield record


def write(
    path: Path,
    ntuple: str,
    *,
    collections: Mapping[str, Mapping[str, Any]],
    singles: Mapping[str, Mapping[str, Any]],
    plain: Mapping[str, Any],
    compression: int,
    cluster: int,
    said: Mapping[str, Mapping[str, str]] | None = None,
) -> None:
    """An RNTuple of collections of records, single records and plain fields (numbers or vectors of them).

    `said` has the descriptions of the members of records.
    """
    filler = ROOT.Filler()
    rows: dict[str, list[np.ndarray]] = {}
    for kind, make in ((collections, filler.collection), (singles, filler.single)):
        for name, columns in kind.items():
            rows[name] = list(packed(columns))
            make(name, members(rows[name][0].dtype, (said or {}).get(name, {})))
    for name, values in plain.items():
        array = ak.Array(values)
        of = CPP_NAMES[ak.to_numpy(ak.flatten(array, axis=None)).dtype.str[1:]]
        filler.field(name, f"std::vector<{of}>" if array.ndim == 2 else of)
        rows[name] = [np.atleast_1d(ak.to_numpy(value)) for value in array]
    filler.open(ntuple, str(path), compression)
    for entry in range(len(next(iter(rows.values())))):
        for name, values in rows.items():
            filler.set(name, values[entry].tobytes())
        filler.fill()
        if entry % cluster == cluster - 1:
            filler.cluster()
    filler.close()


def nanoaod(path: Path) -> None:
    """As CMS' module writes it without flat names: `Jet.pt` in records, flags of triggers in one, totals in `Runs`."""
    with uproot.open(HERE / "nanoaod_cms_2015_ttbar.root") as file:
        events = file["Events"].arrays(entry_stop=60)
        said = {"Tau": {"idMVAoldDM": file["Events"]["Tau_idMVAoldDM"].title}}
    wanted = {
        "Electron": "pt eta phi charge cutBased",
        "FatJet": "pt eta phi mass jetId",
        "Jet": "pt eta phi mass jetId btagCSVV2",
        "Muon": "pt eta phi charge mediumId pfRelIso04_all",
        "Photon": "pt eta phi cutBased electronVeto",
        "Tau": "pt eta phi mass idMVAoldDM",
    }
    collections = {name: {leaf: events[f"{name}_{leaf}"] for leaf in own.split()} for name, own in wanted.items()}
    singles = {"PuppiMET": {leaf: events[f"PuppiMET_{leaf}"] for leaf in ("pt", "phi")}, "PV": {"npvs": events.PV_npvs}}
    plain = {"run": events.run, "event": events.event, "genWeight": events.genWeight}
    parts = {"collections": collections, "singles": singles, "plain": plain, "said": said}
    write(path, "Events", **parts, compression=ZSTD, cluster=25)


def physlite(path: Path) -> None:
    """As ATLAS names it: `AnalysisJetsAuxDyn:pt`; links of jets to their tags are records."""
    with uproot.open(HERE / "physlite_slim.root") as file:
        events = file["CollectionTree"].arrays(entry_stop=20, how=dict)
    link = "AnalysisJetsAuxDyn.btaggingLink"
    links = {name.removeprefix(f"{link}."): values for name, values in events.items() if name.startswith(f"{link}.")}
    plain = {name.replace(".", ":"): values for name, values in events.items() if not name.startswith(f"{link}.")}
    collections = {link.replace(".", ":"): links}
    plain = {name: values for name, values in plain.items() if values.ndim <= 2 and "string" not in str(values.type)}
    write(path, "EventData", collections=collections, singles={}, plain=plain, compression=LZ4, cluster=7)


def imported(path: Path, source: str, tree: str, events: int) -> None:
    """What ROOT's own importer makes of a tree: collections with the names of the tree beside them."""
    path.unlink(missing_ok=True)
    importer = ROOT.Experimental.RNTupleImporter.Create(str(HERE / source), tree, str(path))
    importer.SetIsQuiet(True)
    importer.SetMaxEntries(events)
    importer.SetConvertDotsInBranchNames(True)
    importer.Import()


if __name__ == "__main__":
    os.chdir(HERE)
    ROOT.gInterpreter.Declare(CPP)
    nanoaod(Path("rntuple_nanoaod.root"))
    physlite(Path("rntuple_physlite.root"))
    imported(Path("rntuple_delphes.root"), "tbhplus_2tev.root", "Delphes", 50)
    ROOT.every_type("rntuple_types.root", ZLIB)
