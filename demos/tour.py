"""Write demos/tour.ipynb anew: the demos as one notebook, executed. `make tour` runs it, from the top folder."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat

HERE = Path(__file__).parent
TOUR = HERE / "tour.ipynb"
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
TITLE = """\
# A tour of Chorus
The demos of this folder in one notebook, made by `make tour`. Run it from the top folder of a checkout, after
`make setup` or with `pip install 'chorus-gs[view,serve,teachers]'`."""
SHOWN = """\
from pathlib import Path

from IPython.display import Image as Shown
from PIL import Image


def show(name: str) -> Shown:
    \"\"\"A picture that a demo has written, small.\"\"\"
    path = Path("out") / f"{name}-small.png"
    Image.open(f"out/{name}.png").reduce(2).quantize(64, dither=Image.Dither.NONE).save(path, optimize=True)
    return Shown(path)"""
PICTURES = {
    "0_view": "names",
    "1_query": "sample-where-i-sleep",
    "2_similar": "similar",
    "3_probe_with_20_labels": "uses",
}


def notebook() -> nbformat.NotebookNode:
    """The demos as cells, not executed: a heading and the docstring, the code cut at its comments, the picture."""
    cells = [nbformat.v4.new_markdown_cell(TITLE), nbformat.v4.new_code_cell(SHOWN)]
    for path in sorted(HERE.glob("[0-9]_*.py")):
        about, code = re.match(r'"""(.*?)"""\n+(.*)', path.read_text(), re.DOTALL).groups()
        cells.append(nbformat.v4.new_markdown_cell(f"## {path.stem.replace('_', ' ')}\n{about}"))
        cells += [nbformat.v4.new_code_cell(part.strip()) for part in re.split(r"\n\n+(?=# )", code)]
        if path.stem in PICTURES:
            cells.append(nbformat.v4.new_code_cell(f'show("{PICTURES[path.stem]}")'))
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"  # else drawn at random
    return nbformat.v4.new_notebook(cells=cells, metadata=KERNEL)


def executed() -> nbformat.NotebookNode:
    """The same with outputs, run in the working directory. Raises nbclient's CellExecutionError where a cell fails."""
    from nbclient import NotebookClient

    found = notebook()
    NotebookClient(found, timeout=600, record_timing=False, coalesce_streams=True).execute()
    for cell in found.cells:  # warnings of libraries, which differ from machine to machine
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    found.metadata = nbformat.from_dict(KERNEL)
    return found


if __name__ == "__main__":
    nbformat.write(executed(), TOUR)
    print(f"{TOUR}: {TOUR.stat().st_size / 1e3:.0f} kB")
