"""Files of figures: laid out once, drawn whatever the names in them, the same bytes for the same figure."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

from matplotlib import rc_context, rcParams
from matplotlib.artist import Artist
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imread, imsave
from matplotlib.mathtext import MathTextParser
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, Formatter, FuncFormatter
from matplotlib.transforms import Bbox

from hepad.output.figure_kinds import title_of
from hepad.printable import printable

__all__ = ["write_figure", "write_thumbnail"]

_DPI = 150
"""Dots per inch of PNG files, and of the layout."""
_THUMBNAIL = 4
"""Pixels of a figure, in each direction, that are one of its thumbnail."""
_LONGEST = 100
"""Characters of a line: more take all the room from the axes."""
_WHEN = {".pdf": "CreationDate", ".png": "Software", ".svg": "Date"}
"""What of a file's metadata differs from run to run, or from version to version."""
_COLLAPSED = "constrained_layout not applied"
_MOST_FORMULAE = 2000
_FORMULAE: dict[tuple[Any, ...], Any] = {}
"""What matplotlib made of formulae, by the kind of output, the text, and how it looks."""


def write_figure(figure: Figure, stem: Path, kinds: tuple[str, ...]) -> list[Path]:
    """Write one file of each kind, as `figures.save_figure` says."""
    paths = [stem.with_name(f"{stem.name}.{kind}") for kind in kinds]
    with rc_context({"svg.hashsalt": "hepad"}), _formulae_kept(), _ticks_kept():
        _make_drawable(figure)
        box = _laid_out(figure)
        for path in paths:
            dateless: dict[str, Any] = {_WHEN[path.suffix]: None}
            figure.savefig(path, metadata=dateless, bbox_inches=box, dpi=_DPI)
    return paths


def write_thumbnail(figure: Path, thumbnail: Path) -> None:
    """Write what `figures.save_thumbnail` says."""
    pixels = imread(figure)
    rows, columns = (size // _THUMBNAIL for size in pixels.shape[:2])
    whole = pixels[: rows * _THUMBNAIL, : columns * _THUMBNAIL]
    small = whole.reshape(rows, _THUMBNAIL, columns, _THUMBNAIL, -1).mean(axis=(1, 3))
    undated: dict[str, Any] = {"Software": None}
    imsave(thumbnail, small, metadata=undated)


@contextmanager
def _formulae_kept() -> Iterator[None]:
    """Set each formula once, such as the powers of ten along an axis.

    matplotlib keeps them by the renderer, of which each drawing makes a new one; a figure is drawn four times, and
    nothing of it takes longer. A matplotlib that does this in another way is left alone.
    """
    before = vars(MathTextParser).get("_parse_cached")
    plain = getattr(before, "__wrapped__", None)
    if plain is None:
        yield
        return

    def parse(parser: Any, *arguments: Any) -> Any:
        key = (parser._output_type, *arguments)  # noqa: SLF001
        if key not in _FORMULAE:
            if len(_FORMULAE) >= _MOST_FORMULAE:
                _FORMULAE.clear()
            _FORMULAE[key] = plain(parser, *arguments)
        return _FORMULAE[key]

    MathTextParser._parse_cached = parse  # type: ignore[attr-defined]  # noqa: SLF001
    try:
        yield
    finally:
        MathTextParser._parse_cached = before  # type: ignore[attr-defined]  # noqa: SLF001


@contextmanager
def _ticks_kept() -> Iterator[None]:
    """Place the ticks of an axis once for each range, size and resolution of it.

    To lay out and draw a figure matplotlib does so eighteen times, which takes longer than all else. A matplotlib that
    does this in another way is left alone.
    """
    plain = vars(Axis).get("_update_ticks")
    if plain is None:
        yield
        return
    kept: dict[Axis, tuple[tuple[float, ...], list[Any]]] = {}

    def update(axis: Axis) -> list[Any]:
        seen = (*axis.get_view_interval(), *axis.axes.bbox.bounds, axis.axes.figure.dpi)
        if axis not in kept or kept[axis][0] != seen:
            kept[axis] = seen, plain(axis)
        return kept[axis][1]

    Axis._update_ticks = update  # type: ignore[attr-defined]  # noqa: SLF001
    try:
        yield
    finally:
        Axis._update_ticks = plain  # type: ignore[attr-defined]  # noqa: SLF001


def _laid_out(figure: Figure) -> Bbox:
    """Give everything its place and return the box in inches around it: once, not again for each kind of file."""
    figure.set_dpi(_DPI)
    FigureCanvasAgg(figure)  # which has one renderer for all that is measured, that remembers the sizes of texts
    engine = figure.get_layout_engine()
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=_COLLAPSED)
        try:
            if engine is not None:
                engine.execute(figure)
        except UserWarning as warning:
            if _COLLAPSED not in str(warning):
                raise  # else labels may lie on one another, but the axes are there
    with rc_context({"figure.autolayout": False, "figure.constrained_layout.use": False}):
        figure.set_layout_engine(None)  # what is drawn from now on stays where it is
    return figure.get_tightbbox().padded(rcParams["savefig.pad_inches"])


def _make_drawable(figure: Figure) -> None:
    for text in _texts(figure):
        if (given := text.get_text()) != (drawn := _drawable(title_of(given))):
            text.set_text(drawn)
    for formatter in _formatters(figure):  # labels of ticks are texts only once they are drawn
        formatter.format_ticks = partial(_drawable_ticks, formatter.format_ticks)  # type: ignore[method-assign]


def _texts(artist: Artist) -> Iterator[Text]:
    """All texts but those of ticks, which are made when they are drawn: to ask for them makes them all."""
    if isinstance(artist, Text):
        yield artist
    parts = (artist.label, artist.offsetText) if isinstance(artist, Axis) else artist.get_children()
    for part in parts:
        yield from _texts(part)


def _drawable_ticks(format_ticks: Callable[[Any], list[str]], values: Any) -> list[str]:
    return [_drawable(title_of(label)) for label in format_ticks(values)]


def _formatters(figure: Figure) -> Iterator[Formatter]:
    for axes in figure.get_axes():
        for axis in (axes.xaxis, axes.yaxis):
            for formatter in (axis.get_major_formatter(), axis.get_minor_formatter()):
                if isinstance(formatter, FixedFormatter | FuncFormatter):
                    yield formatter


@cache
def _drawable(text: str) -> str:
    """The text with escapes for what no font has, without formulae that cannot be set, and of bounded length."""
    if text.isascii() and text.isprintable() and len(text) <= _LONGEST and "$" not in text:
        return text
    seen = "".join(
        c if c.isascii() or _has_glyph(c) else f"\\u{ord(c):04x}" for c in printable(text.expandtabs(), lines=True)
    )
    if "$" in seen and not _is_formula(seen):
        seen = seen.replace("\\$", "$").replace("$", r"\$")
    plain = "$" not in seen.replace(r"\$", "")
    return "\n".join(
        f"{line[: _LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}" if plain and len(line) > _LONGEST else line
        for line in seen.split("\n")
    )


@cache
def _has_glyph(character: str) -> bool:
    from matplotlib.font_manager import findfont, get_font

    return bool(get_font(findfont("DejaVu Sans")).get_char_index(ord(character)))


def _is_formula(text: str) -> bool:
    """Whether what stands between dollars can be set, line by line; without a pair of them there is nothing to set."""
    if any(line.replace(r"\$", "").count("$") % 2 for line in text.split("\n")):
        return False
    try:
        for line in text.split("\n"):
            MathTextParser("path").parse(line)
    except ValueError:
        return False
    return True
