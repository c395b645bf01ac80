from typing import Final

API: Final[int]

def install(
    guest: type,
    place: type,
    turn: type,
    functions: tuple[int, int, int, int],
    frame: tuple[int, int, int, int, int, int, int, int, int, int],
    /,
) -> None: ...
