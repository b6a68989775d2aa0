"""A command leaves pyarrow, fsspec and masked arrays until they are used, and then they are as they always are."""

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
assert "awkward" in sys.modules and "uproot.writing" in sys.modules
assert not {"pyarrow", "fsspec.spec", "asyncio", "numpy.ma.core", "uproot.source.coalesce"} & set(sys.modules)
import awkward as ak
import numpy as np
import uproot

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

def on_a_server():
    writing = sys.modules["uproot.sink.file"]
    assert not isinstance(1, writing.WholeFileCacheFileSystem) and "fsspec.spec" not in sys.modules
    with uproot.open("file://" + os.path.abspath("out.root")) as file:
        assert isinstance(file.file.source, uproot.FSSpecSource) and file.keys()
    assert issubclass(type(file.file.source), uproot.source.fsspec.FSSpecSource)
    with uproot.recreate("simplecache::file://" + os.path.abspath("kept.root")) as file:
        file["x"] = "y"

def file_systems():
    import fsspec.implementations.cached as cached
    from fsspec.spec import AbstractFileSystem
    import fsspec
    held = sys.modules["uproot._util"].fsspec
    assert held.AbstractFileSystem is fsspec.AbstractFileSystem is AbstractFileSystem
    assert held.implementations.cached is fsspec.implementations.cached
    assert cached.CachingFileSystem is fsspec.implementations.cached.CachingFileSystem
    assert isinstance(fsspec.filesystem("file"), sys.modules["uproot.writing._graphed_write"].LocalFileSystem)
    assert type(fsspec.__spec__.loader) is type(ak.__spec__.loader)
    assert "fsspec" in sys.modules and len({id(sys.modules[n]) for n in ("fsspec", "fsspec.spec", "fsspec.core")}) == 3

def made_of_a_name():
    class Source(uproot.FSSpecSource):
        pass
    assert Source.__mro__[1] is uproot.source.fsspec.FSSpecSource.__mro__[0]
    assert uproot.FSSpecSource | None == None | uproot.FSSpecSource

def masked():
    assert not np.ma.is_masked([1]) and not isinstance([1], np.ma.MaskedArray) and "numpy.ma.core" not in sys.modules
    array = np.ma.masked_array([1, 2, 2, 3], [True, False, False, False])
    assert isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array)
    assert ak.from_numpy(array).to_list() == [None, 2, 2, 3] and len(np.unique(array)) == 3
    import numpy.ma.core
    assert np.ma is numpy.ma is sys.modules["numpy.ma"] and np.ma.core.MaskedArray is np.ma.MaskedArray

def tests_of_numpy():
    import scipy.optimize
    if np.__version__ >= "2":  # numpy 1 has scipy load them in another way
        assert "numpy.testing._private" not in sys.modules
    np.testing.assert_allclose([1.0], [1.0])
    from numpy.testing import assert_array_equal
    assert np.testing is sys.modules["numpy.testing"] and np.testing.assert_array_equal is assert_array_equal

def texts():
    assert "awkward.operations.str.akstr_upper" not in sys.modules
    assert ak.str.upper(["a"]).to_list() == ["A"] and ak.operations.str.akstr_upper

def by_http():
    assert "http.client" not in sys.modules
    assert uproot.HTTPSource.ResourceClass.__name__ and "http.client" in sys.modules
    assert issubclass(uproot.source.http.HTTPSource, uproot.HTTPSource)

array = ak.Array([{"x": [1.5, 2.0]}, {"x": []}])
arrow = (written_and_read, converted, asked_by_pyarrow, a_part_of_it, not_installed)
for case in (*arrow, on_a_server, file_systems, made_of_a_name, masked, tests_of_numpy, texts, by_http):
    if not (child := os.fork()):
        try:
            case()
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, case
"""


def test_what_most_commands_never_use_is_loaded_when_it_is_used(tmp_path: Path) -> None:
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
