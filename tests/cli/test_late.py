"""A command leaves pyarrow until it is used, and then awkward has it as it always does."""

import os
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples/data/w_lnu.root"
SCRIPT = """
import os, sys
from hepad.__main__ import main

try:
    main()
except SystemExit as end:
    assert not end.code, end.code
assert "awkward" in sys.modules and "pyarrow" not in sys.modules
import awkward as ak

def written_and_read():
    ak.to_parquet(array, "array.parquet")
    assert ak.from_parquet("array.parquet").to_list() == array.to_list()

def converted():
    assert ak.from_arrow(ak.to_arrow(array)).to_list() == array.to_list()

def asked_by_pyarrow():
    import pyarrow
    assert sys.modules["awkward._connect.pyarrow"].pyarrow is pyarrow
    assert pyarrow.array(array.x).to_pylist() == array.x.to_list()
    assert type(pyarrow.__spec__.loader) is type(ak.__spec__.loader)
    pyarrow.unregister_extension_type("awkward")  # awkward has registered it

def a_part_of_it():
    from awkward._connect.pyarrow import extn_types
    import awkward._connect.pyarrow.extn_types as same
    assert extn_types is same and extn_types.AwkwardArrowType

def not_installed():
    sys.modules["pyarrow"] = None
    try:
        ak.to_arrow(array)
    except ImportError as error:
        assert "pip install pyarrow" in str(error), error
    else:
        raise AssertionError("converted without pyarrow")

array = ak.Array([{"x": [1.5, 2.0]}, {"x": []}])
for case in (written_and_read, converted, asked_by_pyarrow, a_part_of_it, not_installed):
    if not (child := os.fork()):
        try:
            case()
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, case
"""


def test_pyarrow_is_loaded_when_it_is_used(tmp_path: Path) -> None:
    command = ["score", str(EXAMPLE), "--model", "snn_ae", "--max-events", "100", "-o", "out.root"]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *command],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_nothing_of_it_is_in_the_process_of_a_library() -> None:
    import hepad.api  # noqa: F401

    assert "hepad.cli.late" not in {type(finder).__module__ for finder in sys.meta_path}
