"""What was read as a whole is in the provenance of every verb that reads event files, by the place of the file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

WLNU, WPRIME = "w_lnu.root", "wprime_wz_2tev.root"
FEW = ("--max-events", 150, "--figures", "none", "-o", "out")
VERBS = {
    "rates": ("background.h5", "--signal", f"w={WLNU}", "-m", "snn_ae", "--bunches", 10, "--rate", 100),
    "monitor": ("background.h5", "--run", f"late={WLNU}", "--model", "snn_ae"),
    "evaluate": ("--background", "background.h5", "--signal", f"w={WLNU}", "--model", "snn_ae", "--bootstrap", 2),
    "reinterpret": (WPRIME, "--analysis", "cms_2019_dijet", "--xsec", 0.05),
}


@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize("verb", VERBS)
def test_the_record_says_which_files_were_read_whole(
    run: Callable[..., Any],
    tmp_path: Path,
    examples: Path,
    verb: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second file, where there are two: the first has no branches."""
    for name in ("background.h5", WLNU, WPRIME):
        (tmp_path / name).symlink_to(examples / name)
    monkeypatch.setenv("HEPAD_LEAN", "0")
    run(verb, *VERBS[verb], *FEW)
    content = json.loads(
        (tmp_path / "out" / f"{'reinterpret' if verb == 'reinterpret' else 'report'}.json").read_text()
    )
    found = {record["name"]: record.get("whole") for record in content["provenance"]["inputs"]}
    assert found.pop("background.h5", None) is None
    assert set(found.values()) == {"HEPAD_LEAN=0"}
