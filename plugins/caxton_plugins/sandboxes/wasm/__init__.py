"""The sandbox `wasm`: agents as WebAssembly core modules, guest ABI version 1 (contract.md section 1)."""

from __future__ import annotations

from caxton_plugins.sandboxes.wasm.sandbox import WasmSandbox

__all__ = ["WasmSandbox"]
