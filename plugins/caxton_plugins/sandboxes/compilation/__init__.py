"""How the sandboxes for WebAssembly turn bytes from strangers into code: walked, compiled in a child, kept on disk."""
