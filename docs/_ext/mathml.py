"""Formulae as MathML, which browsers show themselves: no script, no font, nothing to be fetched from elsewhere."""

from __future__ import annotations

import html

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinx.util.typing import ExtensionMetadata
from sphinx.writers.html5 import HTML5Translator

_LOGGER = logging.getLogger(__name__)


def _html(node: nodes.Element, *, block: bool) -> str:
    try:
        return tex2mathml(node.astext(), as_block=block)
    except Exception as error:  # noqa: BLE001  docutils raises one of its own, or what its parser stumbles over
        _LOGGER.warning("a formula that cannot be MathML: %s", error, location=node, type="mathml")
        return f"<code>{html.escape(node.astext())}</code>"


def _inline(translator: HTML5Translator, node: nodes.math) -> None:
    translator.body.append(_html(node, block=False))
    raise nodes.SkipNode


def _block(translator: HTML5Translator, node: nodes.math_block) -> None:
    name = f' id="{node["ids"][0]}"' if node.get("ids") else ""
    number = f'<span class="eqno">({get_node_equation_number(translator, node)})</span>' if node["number"] else ""
    translator.body.append(f'<div class="math"{name}>{number}{_html(node, block=True)}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> ExtensionMetadata:
    """Take the place of MathJax."""
    app.add_html_math_renderer("mathml", inline_renderers=(_inline, None), block_renderers=(_block, None))
    app.config.html_math_renderer_name = "mathml"
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
