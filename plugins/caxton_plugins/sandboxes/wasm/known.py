"""Which imports there are: by module, name and signature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from caxton_plugins.sandboxes.wasm.imports import CAXTON
from caxton_plugins.sandboxes.wasm.wasi import WASI

if TYPE_CHECKING:
    from caxton_plugins.sandboxes.compilation.sections import Signature

IMPORTS: Final[dict[str, dict[str, Signature]]] = {
    "caxton": {name: row[:2] for name, row in CAXTON.items()},
    "wasi_snapshot_preview1": {name: row[:2] for name, row in WASI.items()},
}
