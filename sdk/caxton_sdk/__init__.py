"""What agents are written with: a folder for each language, and the WIT world of components.

Rules:
- Nothing here runs in a node. The files are copied into an agent's project, or are on its compiler's include path.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent
"""The folder of this package."""

WIT: Final = ROOT / "wit"
"""The world `caxton:agent`, for the toolchains of components."""
