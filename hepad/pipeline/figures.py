"""Save figures: the only place that does."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

__all__ = ["save_figure"]


def save_figure(figure: Figure, stem: Path, kinds: tuple[str, ...] = ("png", "pdf")) -> list[Path]:
    """Write `stem.png` and `stem.pdf`; without a date in them, so that equal figures are equal files."""
    paths = [stem.with_name(f"{stem.name}.{kind}") for kind in kinds]
    for path in paths:
        dateless = {"CreationDate": None} if path.suffix == ".pdf" else {"Software": None}
        figure.savefig(path, metadata=dateless, bbox_inches="tight", dpi=150)
    return paths
