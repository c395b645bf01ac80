"""The REST interface: one file per noun over the facade `runtime/node.py`."""
