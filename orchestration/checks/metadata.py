"""What an asset shows of itself in the UI: numbers, a table, a thumbnail, its content hash."""

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import dagster as dg

from chorus.store import Artifact, root_folder

THUMBNAIL = 720  # pixels, the long side


def result(artifact: Artifact, **metadata: object) -> dg.MaterializeResult:
    """The asset's result: its content hash is its data version, so that the same bytes mean unchanged. What a person
    looks at stands first, in the order given."""
    shown = {name: value for name, value in metadata.items() if value is not None}
    return dg.MaterializeResult(
        data_version=dg.DataVersion(artifact.hash),
        metadata={
            **shown,
            "made_now": artifact.fresh,
            "hash": artifact.hash,
            "path": dg.MetadataValue.path(place(artifact.path)),
        },
    )


def place(path: Path) -> str:
    """Where a file lies in the project folder, which is the same in every clone and after a move."""
    root = root_folder()
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def table(rows: Sequence[Mapping[str, object]]) -> dg.TableMetadataValue | None:
    """Rows of the same columns; None for no rows."""
    if not rows:
        return None
    return dg.MetadataValue.table([dg.TableRecord({name: _cell(value) for name, value in row.items()}) for row in rows])


def _cell(value: object) -> str | int | float | bool | None:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    return value if value is None or isinstance(value, (str, int)) else str(value)


def picture(path: Path) -> dg.MarkdownMetadataValue | None:
    """An image file, made small, inside the metadata itself; None when there is no such file."""
    from PIL import Image

    if not path.is_file():
        return None
    with Image.open(path) as image:
        return _inline(image.convert("RGB"))


def contact_sheet(paths: Sequence[Path], *, columns: int = 6) -> dg.MarkdownMetadataValue | None:
    """Up to two rows of pictures, evenly chosen, side by side."""
    from PIL import Image

    chosen = [paths[i * len(paths) // min(len(paths), 2 * columns)] for i in range(min(len(paths), 2 * columns))]
    if not chosen:
        return None
    tiles = [Image.open(path).convert("RGB") for path in chosen]
    width, height = tiles[0].size
    sheet = Image.new("RGB", (width * min(columns, len(tiles)), height * -(-len(tiles) // columns)))
    for i, tile in enumerate(tiles):
        sheet.paste(tile.resize((width, height)), (i % columns * width, i // columns * height))
    return _inline(sheet)


def _inline(image) -> dg.MarkdownMetadataValue:
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return dg.MetadataValue.md(f"![](data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()})")
