"""`wasi_snapshot_preview1` as a stub: what compilers link in unasked works, and nothing reaches the machine.

Output goes to the agent's log, clocks and randomness are the host's, `proc_exit` ends the call; there are no
arguments, no environment, and every other function answers "not supported".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from caxton_plugins.sandboxes.budgets import LOG_LINE, Ended, Refused
from caxton_plugins.sandboxes.wasm.calls import MASK, Slots
from caxton_plugins.sandboxes.wasm.imports import (
    Body,
    fill_random,
    read,
    read_line,
    write,
    write_log,
)

if TYPE_CHECKING:
    from caxton_plugins.sandboxes.wasm.guest import WasmGuest

_SUCCESS, _BADF, _NOTSUP = 0, 8, 58
_LEVELS = {1: 2, 2: 3}  # stdout is logged as info, stderr as a warning
_PIECES = 64


def _fd_write(guest: WasmGuest, slots: Slots) -> None:
    level = _LEVELS.get(slots[0] & MASK)
    if level is None:
        slots[0] = _BADF
        return
    at, count, out = slots[2] & MASK, slots[4] & MASK, slots[6] & MASK
    if count > _PIECES:
        raise Refused(f"{count} pieces are more than {_PIECES}")
    table = read(guest, at, 8 * count)
    written, line = 0, b""
    for index in range(count):
        start = int.from_bytes(table[8 * index : 8 * index + 4], "little")
        size = int.from_bytes(table[8 * index + 4 : 8 * index + 8], "little")
        line += read_line(guest, start, size)
        written += size
    if line := line[:LOG_LINE].rstrip(b"\r\n"):
        write_log(guest, level, line)
    write(guest, out, (written & MASK).to_bytes(4, "little"))
    slots[0] = _SUCCESS


def _clock_time(guest: WasmGuest, slots: Slots) -> None:
    write(guest, slots[4] & MASK, (guest.host.now_ms() * 1_000_000).to_bytes(8, "little"))
    slots[0] = _SUCCESS


def _clock_resolution(guest: WasmGuest, slots: Slots) -> None:
    write(guest, slots[2] & MASK, (1_000_000).to_bytes(8, "little"))
    slots[0] = _SUCCESS


def _random(guest: WasmGuest, slots: Slots) -> None:
    fill_random(guest, slots[0] & MASK, slots[2] & MASK)
    slots[0] = _SUCCESS


def _exit(guest: WasmGuest, slots: Slots) -> None:
    code = slots[0] & MASK
    if code == 0:
        raise Ended("the agent ended itself")
    raise Refused(f"the agent exited with code {code}")


def _nothing_there(guest: WasmGuest, slots: Slots) -> None:
    """Answer for the sizes of arguments and environment: none."""
    write(guest, slots[0] & MASK, bytes(4))
    write(guest, slots[2] & MASK, bytes(4))
    slots[0] = _SUCCESS


def _nothing(guest: WasmGuest, slots: Slots) -> None:
    slots[0] = _SUCCESS


def _no_descriptor(guest: WasmGuest, slots: Slots) -> None:
    """Say that a descriptor is not open: libc stops looking for folders at this answer, and at no other."""
    slots[0] = _BADF


def _unsupported(guest: WasmGuest, slots: Slots) -> None:
    slots[0] = _NOTSUP


_REST = {
    "fd_advise": ("iIIi", "i"),
    "fd_allocate": ("iII", "i"),
    "fd_close": ("i", "i"),
    "fd_datasync": ("i", "i"),
    "fd_fdstat_get": ("ii", "i"),
    "fd_fdstat_set_flags": ("ii", "i"),
    "fd_fdstat_set_rights": ("iII", "i"),
    "fd_filestat_get": ("ii", "i"),
    "fd_filestat_set_size": ("iI", "i"),
    "fd_filestat_set_times": ("iIIi", "i"),
    "fd_pread": ("iiiIi", "i"),
    "fd_pwrite": ("iiiIi", "i"),
    "fd_read": ("iiii", "i"),
    "fd_readdir": ("iiiIi", "i"),
    "fd_renumber": ("ii", "i"),
    "fd_seek": ("iIii", "i"),
    "fd_sync": ("i", "i"),
    "fd_tell": ("ii", "i"),
    "path_create_directory": ("iii", "i"),
    "path_filestat_get": ("iiiii", "i"),
    "path_filestat_set_times": ("iiiiIIi", "i"),
    "path_link": ("iiiiiii", "i"),
    "path_open": ("iiiiiIIii", "i"),
    "path_readlink": ("iiiiii", "i"),
    "path_remove_directory": ("iii", "i"),
    "path_rename": ("iiiiii", "i"),
    "path_symlink": ("iiiii", "i"),
    "path_unlink_file": ("iii", "i"),
    "poll_oneoff": ("iiii", "i"),
    "proc_raise": ("i", "i"),
    "sock_accept": ("iii", "i"),
    "sock_recv": ("iiiiii", "i"),
    "sock_send": ("iiiii", "i"),
    "sock_shutdown": ("ii", "i"),
}

WASI: Final[dict[str, tuple[str, str, Body]]] = {
    **{name: (parameters, result, _unsupported) for name, (parameters, result) in _REST.items()},
    "args_get": ("ii", "i", _nothing),
    "args_sizes_get": ("ii", "i", _nothing_there),
    "clock_res_get": ("ii", "i", _clock_resolution),
    "clock_time_get": ("iIi", "i", _clock_time),
    "environ_get": ("ii", "i", _nothing),
    "environ_sizes_get": ("ii", "i", _nothing_there),
    "fd_prestat_dir_name": ("iii", "i", _no_descriptor),
    "fd_prestat_get": ("ii", "i", _no_descriptor),
    "fd_write": ("iiii", "i", _fd_write),
    "proc_exit": ("i", "", _exit),
    "random_get": ("ii", "i", _random),
    "sched_yield": ("", "i", _nothing),
}
"""Name -> parameters, result and body, as in `imports.CAXTON`."""
