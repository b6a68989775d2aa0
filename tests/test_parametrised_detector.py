"""The example that makes a Delphes-like file of a Pythia card."""

import importlib.util
import sys
from pathlib import Path

import awkward as ak
import numba
import numpy as np
import pytest

from hepad.io.reader import read_events

SCRIPT = Path(__file__).parents[1] / "examples" / "parametrised_detector.py"
CARD = """\
Beams:eCM = 13000
NewGaugeBoson:ffbar2gmZZprime = on
Zprime:gmZmode = 3
32:m0 = 1000
32:onMode = off
32:onIfAny = 13
PartonLevel:MPI = off
HadronLevel:all = off
"""


def test_muons_of_a_resonance_are_found_and_smeared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pythia8mc")
    pytest.importorskip("fastjet")
    monkeypatch.setattr(numba.config, "DISABLE_JIT", True)  # to compile takes longer than to run so few events
    spec = importlib.util.spec_from_file_location("parametrised_detector", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    card, output = tmp_path / "card.cmnd", tmp_path / "signal.root"
    card.write_text(CARD)
    monkeypatch.setattr(sys, "argv", ["script", str(card), "-n", "20", "-o", str(output)])
    script.main()
    fields = {"muons": {"pt", "eta", "phi"}, "met": {"pt"}, "jets": {"pt", "btag"}}
    events = next(read_events([output], fields)).events
    assert len(events) == 20
    pairs = events.muons[ak.num(events.muons) == 2]
    assert len(pairs) >= 10  # 0.9 of two muons each within the acceptance
    first, second = pairs[:, 0], pairs[:, 1]
    mass = np.sqrt(2 * first.pt * second.pt * (np.cosh(first.eta - second.eta) - np.cos(first.phi - second.phi)))
    assert abs(np.median(mass) - 1000) < 60
    assert np.std(mass) > 20  # 5 % of each momentum at 500 GeV, beside the natural width
