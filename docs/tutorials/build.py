"""Execute the tutorials and write their pages.

Usage:
    python docs/tutorials/build.py [NAME …]     # all of them by default; needs `pip install -e .[docs]`
    python docs/tutorials/build.py --texts      # after a change of texts only: the outputs stay

`NAME.ipynb` is the source, stored without outputs. `NAME.md` is the same cells with the outputs of a run, and
`images/NAME-1.svg`, … are its figures. After a notebook is changed, run this again: a test compares both.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import tempfile
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
NAMES = ("first-vector", "is-it-real", "persona", "reproduce")
DATA = ("pirate.jsonl",)
"""Files that notebooks read, beside them."""
BEGIN, END = "<!-- output -->", "<!-- end of output -->"
LINE = 110
"""Lines of output are wrapped at this width."""
_OUTPUT = re.compile(rf"{BEGIN}\n.*?{END}\n\n?", re.DOTALL)
_SHOWN = re.compile(rf"^```python\n(.*?)\n```\n(?:\n{BEGIN}\n(.*?){END}\n)?", re.DOTALL | re.MULTILINE)
"""The code of a cell on a page, and what it showed."""
_IN_THE_KERNEL = """
import tqdm.auto  # which warns, once, that there are no widgets
import warnings
import pandas as pd, trimtab, trimtab._util.progress_bars as _bars
warnings.formatwarning = lambda message, category, *_: f"{category.__name__}: {message}\\n"  # without paths
_bars.place = lambda: ""  # a page has nobody who waits

def _markdown(frame):
    table = frame.reset_index() if frame.index.name or frame.index.nlevels > 1 else frame
    def text(value):
        return f"{value:.4g}" if isinstance(value, float) else " ".join(str(value).split()).replace("|", "\\\\|")
    rows = [list(map(text, table.columns)), ["---"] * len(table.columns), *(map(text, row) for row in table.values)]
    return "\\n".join("| " + " | ".join(row) + " |" for row in rows)

get_ipython().display_formatter.formatters["text/markdown"] = _f = __import__(
    "IPython.core.formatters", fromlist=["_"]).MarkdownFormatter(parent=get_ipython().display_formatter)
_f.for_type(pd.DataFrame, _markdown)
"""
"""Run before the first cell: no progress bars, and data frames as Markdown tables."""
_ABOUT = 'print(f"trimtab {trimtab.__version__}", "\\n", repr(model), sep="")'
"""Run after the last cell: what the page states of the run."""

Cell = dict[str, Any]


def normalized(notebook: dict[str, Any]) -> dict[str, Any]:
    """A notebook as it is stored: cells numbered, no outputs, nothing of the machine it was edited on."""
    cells = []
    for number, cell in enumerate(notebook["cells"]):
        tags = cell.get("metadata", {}).get("tags")
        stored: Cell = {"id": f"cell-{number}", "cell_type": cell["cell_type"]}
        stored["metadata"] = {"tags": tags} if tags else {}
        if cell["cell_type"] == "code":
            stored |= {"execution_count": None, "outputs": []}
        cells.append({**stored, "source": "".join(cell["source"]).splitlines(keepends=True)})
    metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def stored_text(notebook: dict[str, Any]) -> str:
    """The file of a notebook."""
    return json.dumps(normalized(notebook), indent=1, ensure_ascii=False) + "\n"


def read(name: str) -> dict[str, Any]:
    """A tutorial's notebook."""
    content: dict[str, Any] = json.loads((HERE / f"{name}.ipynb").read_text(encoding="utf-8"))
    return content


def page(name: str, notebook: dict[str, Any], outputs: Sequence[str] = (), about: str = "") -> str:
    """The page of a notebook.

    Args:
        name: Of the notebook.
        notebook: Its cells.
        outputs: What each cell shows, as Markdown; nothing gives the page without outputs.
        about: What executed it.
    """
    parts = []
    for number, cell in enumerate(notebook["cells"]):
        text = "".join(cell["source"]).strip()
        parts.append(f"```python\n{text}\n```\n" if cell["cell_type"] == "code" else f"{text}\n")
        if number == 0:
            link = f"[{name}.ipynb]({name}.ipynb)"
            parts.append(f"This page is the notebook {link}, executed from top to bottom.\n")
            parts += _between(about)
        parts += _between(outputs[number] if outputs else "")
    return "\n".join(parts)


def _between(output: str) -> list[str]:
    return [f"{BEGIN}\n\n{output.strip()}\n\n{END}\n"] if output.strip() else []


def without_outputs(text: str) -> str:
    """A page without what its cells showed."""
    return _OUTPUT.sub("", text).rstrip() + "\n"


def executed(notebook: dict[str, Any]) -> tuple[list[list[dict[str, Any]]], str]:
    """Run a notebook in a folder of its own; returns what each cell showed, and what ran it.

    Raises:
        nbclient.exceptions.CellExecutionError: When a cell fails.
    """
    import nbformat
    from nbclient import NotebookClient

    whole = nbformat.reads(stored_text(notebook), as_version=4)
    code = nbformat.v4.new_code_cell
    whole.cells = [code(_IN_THE_KERNEL), *whole.cells, code(_ABOUT)]
    with tempfile.TemporaryDirectory() as folder:
        for file in DATA:
            shutil.copy(HERE / file, folder)
        NotebookClient(whole, timeout=3600, resources={"metadata": {"path": folder}}).execute()
    shown = [list(cell.get("outputs", ())) for cell in whole.cells]
    return shown[1:-1], str(shown[-1][0]["text"]).strip()


def as_markdown(shown: Iterable[dict[str, Any]], name: str, images: dict[str, str]) -> str:
    """What one cell showed; its figures are added to `images` by file name."""
    parts = []
    for output in _joined(shown):
        data = output.get("data", {})
        if "image/svg+xml" in data:
            file = f"{name}-{len(images) + 1}.svg"
            images[file] = compact_svg("".join(data["image/svg+xml"]))
            alt = " ".join("".join(data["text/plain"]).split()).replace("[", "(").replace("]", ")")
            parts.append(f"![{alt}](images/{file})")
        elif "text/markdown" in data:
            parts.append("".join(data["text/markdown"]))
        else:
            text = "".join(output.get("text") or data.get("text/plain", ""))
            parts.append(f"```text\n{wrapped(text)}\n```")
    return "\n\n".join(parts)


def _joined(shown: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The outputs, with what was printed in pieces in one."""
    whole: list[dict[str, Any]] = []
    for output in shown:
        if whole and "name" in output and whole[-1].get("name") == output["name"]:
            whole[-1] = {**whole[-1], "text": whole[-1]["text"] + output["text"]}
        else:
            whole.append(output)
    return whole


def wrapped(text: str) -> str:
    """A text with its long lines wrapped."""
    lines = (textwrap.wrap(line, LINE, subsequent_indent="    ", drop_whitespace=True) for line in text.splitlines())
    return "\n".join("\n".join(line) for line in lines).strip("\n")


def compact_svg(svg: str) -> str:
    """A picture with coordinates of two decimals."""
    return re.sub(r"(\d+\.\d\d)\d+", r"\1", svg).rstrip() + "\n"


def build(name: str) -> None:
    """Execute a tutorial and write its files."""
    notebook = normalized(read(name))
    (HERE / f"{name}.ipynb").write_text(stored_text(notebook), encoding="utf-8")
    shown, about = executed(notebook)
    images: dict[str, str] = {}
    outputs = [as_markdown(outputs, name, images) for outputs in shown]
    folder = HERE / "images"
    folder.mkdir(exist_ok=True)
    for old in folder.glob(f"{name}-*.svg"):
        old.unlink()
    for file, svg in images.items():
        (folder / file).write_text(svg, encoding="utf-8")
    version, model = about.splitlines()
    ran = f"The outputs are those of {version} with `{model}`."
    (HERE / f"{name}.md").write_text(page(name, notebook, outputs, ran), encoding="utf-8")


def rewrite(name: str) -> None:
    """Write the page of a tutorial anew with the outputs that it has.

    Raises:
        SystemExit: When the code of a cell has changed, as its output may have, too.
    """
    notebook = normalized(read(name))
    file = HERE / f"{name}.md"
    old = file.read_text(encoding="utf-8")
    shown = {code: output or "" for code, output in _SHOWN.findall(old)}
    outputs = []
    for number, cell in enumerate(notebook["cells"]):
        code = "".join(cell["source"]).strip() if cell["cell_type"] == "code" else ""
        if code and code not in shown:
            raise SystemExit(f"{name}: the code of cell {number} is not that of its page: execute it again")
        outputs.append(shown.get(code, ""))
    about = _OUTPUT.search(old)
    assert about is not None
    (HERE / f"{name}.ipynb").write_text(stored_text(notebook), encoding="utf-8")
    file.write_text(page(name, notebook, outputs, about[0].replace(BEGIN, "").replace(END, "")), encoding="utf-8")


def main() -> None:
    """Build the tutorials that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--texts", action="store_true", help="execute nothing: texts have changed, code has not")
    chosen = parser.parse_args()
    for name in chosen.names or NAMES:
        print(name, flush=True)
        rewrite(name) if chosen.texts else build(name)


if __name__ == "__main__":
    main()
