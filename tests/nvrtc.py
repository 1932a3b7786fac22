"""NVIDIA's run-time compiler, which needs no GPU: that CUDA text compiles, and into what."""

import ctypes
import importlib.util
from pathlib import Path


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


def _text(size_of, get, program):
    size = ctypes.c_size_t()
    _checked(size_of(program, ctypes.byref(size)))
    text = ctypes.create_string_buffer(size.value)
    _checked(get(program, text))
    return text.raw


def _checked(code):
    if code:
        raise RuntimeError(f"NVRTC failed with code {code}")
