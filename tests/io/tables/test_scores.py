"""Score files: what goes wrong while a piece is packed, on another thread, is told."""

from __future__ import annotations

import numpy as np
import pytest

from hepad.io.tables.scores import ScoreWriter

GOOD = {"file": np.zeros(3, np.int32), "score": np.arange(3, dtype=np.float32)}
BAD = {**GOOD, "score": np.arange(2, dtype=np.float32)}


@pytest.mark.parametrize("kind", ["root", "parquet", "rntuple"])
@pytest.mark.parametrize("then", [lambda out: out.write(GOOD), lambda out: out.describe({}), lambda _: None])
def test_a_piece_that_cannot_be_packed_is_told_by_what_comes_next(tmp_path, kind, then) -> None:
    def write() -> None:
        with ScoreWriter(tmp_path / "scores", kind) as out:
            out.write(GOOD)
            out.write(BAD)
            then(out)

    with pytest.raises(ValueError, match=r"2|length"):
        write()
