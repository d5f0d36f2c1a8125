"""Charts and pages that fetch nothing: Vega-Lite specifications as SVG, or in an HTML page with its script inside.

A chart is a Vega-Lite specification as plain data (https://vega.github.io/vega-lite/). Both vl-convert's SVG and the
page's script draw it without a browser extension, a font or a network. Needs the extra `orch-llm[charts]`.

Text from models and users goes through `escape`, or stands in a specification as data: neither is ever read as HTML.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Collection, Iterable, Mapping, Sequence
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any

from ..expressions import expression
from ..unseen import without_unseen
from . import drawing

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
.left { text-align: left; }
.scroll, figure { overflow-x: auto; } figure { display: inline-block; max-width: 100%; margin: 1rem 1rem 0 0; }
figure.wide { display: block; margin-right: 0; } figure.wide > div { width: 100%; }
.note { color: var(--soft); }
"""
_DRAW = """
(() => {
const dark = matchMedia("(prefers-color-scheme: dark)");
function draw() {
  for (const figure of document.querySelectorAll("figure")) {
    const spec = JSON.parse(figure.querySelector("script").textContent);
    const options = {theme: dark.matches ? "dark" : undefined, renderer: "svg", actions: false, ast: true,
                     config: {axis: {gridOpacity: 0.4}}};
    vegaEmbed(figure.querySelector("div"), {...spec, background: "transparent"}, options).then(({view}) =>
      view.addEventListener("click", (event, item) => figure.dispatchEvent(
        new CustomEvent("chosen", {bubbles: true, detail: item && item.datum})))
    ).catch(console.error);
  }
}
dark.addEventListener("change", draw);
draw();
})();
"""

# The drawing library writes styles into the page; scripts are told by their digests, and nothing is fetched.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src {scripts}; base-uri 'none'; form-action 'none'"


def svg(spec: Spec) -> str:
    """A chart as an SVG document on a white ground."""
    drawn: str = drawing.vl_convert().vegalite_to_svg({"background": "white", **_drawable(spec)})
    return drawn


def page(
    title: str,
    parts: Iterable[str],
    *,
    drawn: bool = True,
    style: str = "",
    script: str = "",
    reload_s: int | None = None,
    keep_in: Path | None = None,
) -> str:
    """An HTML page of the given parts, which the functions below make. Light or dark as the reader's system is.

    A policy in its head forbids it to fetch anything, and any script but its own. `drawn` has its charts drawn, for
    which the extra is needed, by a script that is kept in the folder `keep_in`; `style` and `script` are added to the
    page's own; `reload_s` has a browser load it again after so many seconds.
    """
    scripts = [*([drawing.script(keep_in), _DRAW] if drawn else []), *([script] if script else [])]
    allowed = " ".join(f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" for text in scripts)
    policy = _POLICY.format(scripts=allowed or "'none'")
    name = _written(title)
    again = "" if reload_s is None else f'<meta http-equiv="refresh" content="{reload_s}">'
    head = (
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}">{again}'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}{style}</style>'
        f"<title>{name}</title>"
    )
    needs = ["<noscript>The charts need JavaScript.</noscript>"] if drawn else []
    body = "\n".join([f"<h1>{name}</h1>", *parts, *needs, *(f"<script>{text}</script>" for text in scripts)])
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n{body}\n</body></html>\n'


def heading(text: str, name: str | None = None) -> str:
    """A heading for a page; `name` is what `contents` refers to it by."""
    named = "" if name is None else f' id="{escape(name)}"'
    return f"<h2{named}>{_written(text)}</h2>"


def contents(headings: Iterable[tuple[str, str]]) -> str:
    """Links to the headings of a page, by name and text."""
    links = "".join(f'<a href="#{escape(name)}">{_written(text)}</a>' for name, text in headings)
    return f"<nav>{links}</nav>"


def tiles(figures: Iterable[tuple[str, str]]) -> str:
    """The figures that stand at the head of a page, each with its name."""
    each = (f"<div><dt>{_written(name)}</dt><dd>{_written(text)}</dd></div>" for name, text in figures)
    return f'<dl class="tiles">{"".join(each)}</dl>'


def note(text: str) -> str:
    """A paragraph for a page."""
    return f'<p class="note">{_written(text)}</p>'


def listing(items: Iterable[str]) -> str:
    """A list of paragraphs for a page."""
    return f"<ul>{''.join(f'<li>{_written(item)}</li>' for item in items)}</ul>"


def table(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    footer: Sequence[str] | None = None,
    choices: Sequence[Mapping[str, Any]] | None = None,
    texts: Collection[int] = (),
) -> str:
    """Cells are text; the first column names the rows, and those at the places of `texts` hold no numbers. With
    `choices`, one a row, the name is a button, which has its choice as JSON in `data-choice`."""
    left = {0, *texts}
    head = "".join(
        f"<th{_LEFT if place in left else ''}>{_written(cell.strip())}</th>" for place, cell in enumerate(header)
    )
    chosen = choices or ()
    body = "".join(_row(row, chosen[place] if place < len(chosen) else None, left) for place, row in enumerate(rows))
    foot = "" if footer is None else f"<tfoot>{_row(footer, None, left)}</tfoot>"
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody>{foot}</table></div>'


_LEFT = ' class="left"'


def _row(cells: Sequence[str], choice: Mapping[str, Any] | None, left: Collection[int]) -> str:
    written = [_written(cell.strip()) for cell in cells]
    if choice is not None:
        written[0] = (
            f'<button type="button" data-choice="{escape(json.dumps(_drawable(choice)))}">{written[0]}</button>'
        )
    each = (f"<td{_LEFT if place in left else ''}>{cell}</td>" for place, cell in enumerate(written))
    return f"<tr>{''.join(each)}</tr>"


def chart(spec: Spec, *, label: str | None = None) -> str:
    """A figure that the page's script draws; as wide as the page if its width is that of its container. `label` says
    what it shows to those who cannot see it. What is clicked in it is an event `chosen` of the figure, with the datum.
    """
    wide = ' class="wide"' if spec.get("width") == "container" else ""
    named = "" if label is None else f' aria-label="{_written(label)}"'
    return f'<figure{wide}><div role="img"{named}></div>{data(spec)}</figure>'


def data(document: object, name: str | None = None) -> str:
    """A JSON document within a page, for its script to read."""
    # No text may end the element.
    written = (
        json.dumps(_drawable(document), ensure_ascii=False)
        .replace("<", "\\u003c")
        .replace(">", "\\u003e")
        .replace("&", "\\u0026")
    )
    named = "" if name is None else f' id="{escape(name)}"'
    return f'<script type="application/json"{named}>{written}</script>'


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
