"""NVIDIA's run-time compiler, which needs no GPU: that CUDA text compiles, and into what."""

import ctypes
import importlib.util
import struct
from pathlib import Path

#: Attributes of the section .nv.info of a cubin, and the form of those whose values follow.
_REGISTERS, _FRAME, _WITH_VALUES = 0x2F, 0x11, 4


def library():
    """Return the compiler of an installed wheel, or None."""
    found = importlib.util.find_spec("nvidia")
    places = found.submodule_search_locations if found else ()
    files = [file for place in places for file in sorted(Path(place).glob("**/libnvrtc.so.*"))]
    return ctypes.CDLL(str(files[0])) if files else None


def compiled(nvrtc, text):
    """Return the machine code for sm_90, without fused multiply-adds; what is wrong with the text is raised."""
    program = ctypes.c_void_p()
    _checked(nvrtc.nvrtcCreateProgram(ctypes.byref(program), text.encode(), b"model.cu", 0, None, None))
    options = (ctypes.c_char_p * 2)(b"--gpu-architecture=sm_90", b"--fmad=false")
    failed = nvrtc.nvrtcCompileProgram(program, 2, options)
    if failed:
        raise ValueError(_text(nvrtc.nvrtcGetProgramLogSize, nvrtc.nvrtcGetProgramLog, program).decode())
    return _text(nvrtc.nvrtcGetCUBINSize, nvrtc.nvrtcGetCUBIN, program)


def resources(code):
    """Return the most registers of a thread and the bytes of its stack, where spilled values would go."""
    (table,), (size, count, names) = struct.unpack_from("<Q", code, 40), struct.unpack_from("<HHH", code, 58)
    sections = [struct.unpack_from("<IIQQQQ", code, table + size * i) for i in range(count)]
    start = sections[names][4]
    (info,) = (s for s in sections if code[start + s[0] :].startswith(b".nv.info\0"))
    found, at = {_REGISTERS: [], _FRAME: []}, info[4]
    while at < info[4] + info[5]:
        form, attribute, length = struct.unpack_from("<BBH", code, at)
        if attribute in found:
            found[attribute].append(struct.unpack_from("<I", code, at + 8)[0])
        at += 4 + (length if form == _WITH_VALUES else 0)
    return max(found[_REGISTERS]), max(found[_FRAME])


def _text(size_of, get, program):
    size = ctypes.c_size_t()
    _checked(size_of(program, ctypes.byref(size)))
    text = ctypes.create_string_buffer(size.value)
    _checked(get(program, text))
    return text.raw


def _checked(code):
    if code:
        raise RuntimeError(f"NVRTC failed with code {code}")
