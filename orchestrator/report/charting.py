"""Charts and pages that fetch nothing: Vega-Lite specifications as SVG, or in an HTML page with its script inside.

A chart is a Vega-Lite specification as plain data (https://vega.github.io/vega-lite/). Both vl-convert's SVG and the
page's script draw it without a browser extension, a font or a network. Needs the extra `orch-llm[charts]`.

Text from models and users goes through `escape`, or stands in a specification as data: neither is ever read as HTML.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from types import ModuleType
from typing import Any

from ..distribution import with_extra
from ..errors import ConfigError
from ..expressions import expression
from ..unseen import without_unseen

Spec = Mapping[str, Any]

_NO_XML = expression("[\ud800-\udfff\ufffe\uffff]")  # beside the controls among the unseen characters
_REPLACED = "\ufffd"

_STYLE = """
:root { color-scheme: light dark; --line: #8886; --soft: light-dark(#555, #bbb); }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; }
h2 { font-size: 1.2rem; margin-top: 2.5rem; border-top: 1px solid var(--line); padding-top: 1.5rem; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .8rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
.scroll, figure { overflow-x: auto; } figure { display: inline-block; max-width: 100%; margin: 1rem 1rem 0 0; }
.note { color: var(--soft); }
"""
_DRAW = """
const dark = matchMedia("(prefers-color-scheme: dark)");
function draw() {
  for (const figure of document.querySelectorAll("figure")) {
    const spec = JSON.parse(figure.querySelector("script").textContent);
    const options = {theme: dark.matches ? "dark" : undefined, renderer: "svg", actions: false,
                     config: {axis: {gridOpacity: 0.4}}};
    vegaEmbed(figure.querySelector("div"), {...spec, background: "transparent"}, options).catch(console.error);
  }
}
dark.addEventListener("change", draw);
draw();
"""


def vl_convert() -> ModuleType:
    """The library. Raises ConfigError where the extra is not installed."""
    try:
        import vl_convert  # heavy
    except ImportError as error:
        raise ConfigError("charts need vl-convert, which is not installed", hint=with_extra("charts")) from error
    return vl_convert


def svg(spec: Spec) -> str:
    """A chart as an SVG document on a white ground."""
    drawn: str = vl_convert().vegalite_to_svg({"background": "white", **_drawable(spec)})
    return drawn


def page(title: str, parts: Iterable[str]) -> str:
    """An HTML page of the given parts, which the functions below make. Light or dark as the reader's system is."""
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">{_STYLE_TAG}'
    script = f"<script>{vl_convert().javascript_bundle()}</script>\n<script>{_DRAW}</script>"
    name = _written(title)
    body = "\n".join([f"<h1>{name}</h1>", *parts, "<noscript>The charts need JavaScript.</noscript>", script])
    return f'<!doctype html>\n<html lang="en"><head>{head}<title>{name}</title></head><body>\n{body}\n</body></html>\n'


_STYLE_TAG = f"<style>{_STYLE}</style>"


def heading(text: str) -> str:
    """A heading for a page."""
    return f"<h2>{_written(text)}</h2>"


def note(text: str) -> str:
    """A paragraph for a page."""
    return f'<p class="note">{_written(text)}</p>'


def listing(items: Iterable[str]) -> str:
    """A list of paragraphs for a page."""
    return f"<ul>{''.join(f'<li>{_written(item)}</li>' for item in items)}</ul>"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells are text; the first column names the rows."""
    head = "".join(f"<th>{_written(cell.strip())}</th>" for cell in header)
    body = "".join(f"<tr>{''.join(f'<td>{_written(cell.strip())}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def chart(spec: Spec) -> str:
    """A figure that the page's script draws."""
    written = json.dumps(_drawable(spec), ensure_ascii=False).replace("<", "\\u003c")  # no text may end the element
    return f'<figure><div></div><script type="application/json">{written}</script></figure>'


def _written(text: str) -> str:
    return escape(_plain(text))


def _drawable(node: Any) -> Any:
    """A chart whose names have no character that XML does not know: the renderer aborts the whole program at one."""
    if isinstance(node, Mapping):
        return {_plain(key): _drawable(value) for key, value in node.items()}
    if isinstance(node, str):
        return _plain(node)
    return [_drawable(value) for value in node] if isinstance(node, Sequence) else node


def _plain(text: str) -> str:
    return _NO_XML.sub(_REPLACED, without_unseen(text, _REPLACED))
