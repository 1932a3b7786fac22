"""The one door to array libraries: the only module that knows CuPy exists.

Models take numbers or arrays of one library, ask :func:`as_common` for that library and return its arrays. Nothing
is global: the arrays carry the choice of device. Only NumPy is needed; CuPy is used where it is installed and answers.
"""

from __future__ import annotations

import ctypes
import math
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Protocol, TypeAlias, TypeGuard, cast

import numpy

#: An array of any supported library. To a type checker all of them are NumPy's: a structural type would not match it.
Array: TypeAlias = numpy.ndarray[Any, numpy.dtype[numpy.float64]]
#: Where something holds.
Mask: TypeAlias = numpy.ndarray[Any, numpy.dtype[numpy.bool]]
#: An array of any kind, and what a function of elements takes beside numbers.
AnyArray: TypeAlias = numpy.ndarray[Any, numpy.dtype[Any]]
Operand: TypeAlias = float | AnyArray
Axes: TypeAlias = int | tuple[int, ...] | None
DType: TypeAlias = numpy.dtype[Any] | type[Any] | None
#: ``bool`` names the type of the library within ``Namespace``.
_Flag: TypeAlias = bool
#: What a model takes: a number, or an array with samples along its last axis.
Samples: TypeAlias = float | Array

#: The first CuPy with the functions of the array API standard that models call.
_OLDEST_CUPY = 14
#: Threads of a block of a kernel, and most blocks; a thread goes on with the next sample where there are more.
_THREADS, _MOST_BLOCKS = 256, 2**16
#: Set to ``cpu`` to hide a GPU, or to ``cuda`` to insist on one.
DEVICE_VARIABLE = "GIGACLUSTER_DEVICE"


class Namespace(Protocol):
    """The functions of an array library that models use, all of them in NumPy 2, CuPy 14 and the array API standard.

    A name that is missing here is missing in one of them, or was never needed: a type checker finds it.
    """

    __name__: str
    inf: float
    nan: float
    bool: Any
    float64: Any
    int64: Any

    # Of elements.
    def abs(self, x: Operand, /) -> Array: ...
    def ceil(self, x: Operand, /) -> Array: ...
    def clip(self, x: Operand, /, min: Operand | None = None, max: Operand | None = None) -> Array: ...
    def cos(self, x: Operand, /) -> Array: ...
    def exp(self, x: Operand, /) -> Array: ...
    def expm1(self, x: Operand, /) -> Array: ...
    def floor(self, x: Operand, /) -> Array: ...
    def isfinite(self, x: Operand, /) -> Mask: ...
    def isnan(self, x: Operand, /) -> Mask: ...
    def log(self, x: Operand, /) -> Array: ...
    def log1p(self, x: Operand, /) -> Array: ...
    def log2(self, x: Operand, /) -> Array: ...
    def maximum(self, a: Operand, b: Operand, /) -> Array: ...
    def minimum(self, a: Operand, b: Operand, /) -> Array: ...
    def round(self, x: Operand, /) -> Array: ...
    def sqrt(self, x: Operand, /) -> Array: ...
    def where(self, condition: Operand, a: Operand, b: Operand, /) -> Array: ...

    # Along an axis.
    def all(self, x: Operand, /, *, axis: Axes = None, keepdims: _Flag = False) -> Mask: ...
    def any(self, x: Operand, /, *, axis: Axes = None, keepdims: _Flag = False) -> Mask: ...
    def argmin(self, x: Operand, /, *, axis: Axes = None) -> Any: ...
    def argsort(self, x: Operand, /, *, axis: int = -1) -> Any: ...
    def cumulative_sum(self, x: Operand, /, *, axis: Axes = None) -> Array: ...
    def max(self, x: Operand, /, *, axis: Axes = None, keepdims: _Flag = False) -> Array: ...
    def mean(self, x: Operand, /, *, axis: Axes = None, keepdims: _Flag = False) -> Array: ...
    def min(self, x: Operand, /, *, axis: Axes = None, keepdims: _Flag = False) -> Array: ...
    def sort(self, x: Operand, /, *, axis: int = -1) -> Array: ...
    def sum(self, x: Operand, /, *, axis: Axes = None, keepdims: _Flag = False) -> Array: ...

    # Made, shaped and joined.
    def arange(self, *limits: float, dtype: DType = None) -> Array: ...
    def asarray(self, x: Operand | Sequence[Any], /, *, dtype: DType = None, device: object = None) -> Array: ...
    def astype(self, x: Operand, dtype: DType, /) -> Array: ...
    def broadcast_arrays(self, *arrays: Operand) -> Any: ...
    def broadcast_to(self, x: Operand, /, shape: int | tuple[int, ...]) -> Array: ...
    def concat(self, arrays: Sequence[Array], /, *, axis: int | None = 0) -> Array: ...
    def full_like(self, x: Operand, /, fill_value: Operand) -> Array: ...
    def nonzero(self, x: Operand, /) -> Any: ...
    def ones(self, shape: int | tuple[int, ...], *, dtype: DType = None) -> Array: ...
    def ones_like(self, x: Operand, /, *, dtype: DType = None) -> Array: ...
    def reshape(self, x: Operand, /, shape: int | tuple[int, ...]) -> Array: ...
    def stack(self, arrays: Sequence[Array], /, *, axis: int = 0) -> Array: ...
    def take(self, x: Operand, indices: Operand, /, *, axis: Axes = None) -> Array: ...
    def take_along_axis(self, x: Operand, indices: Operand, /, axis: int = -1) -> Array: ...
    def zeros(self, shape: int | tuple[int, ...], *, dtype: DType = None) -> Array: ...
    def zeros_like(self, x: Operand, /, *, dtype: DType = None) -> Array: ...


#: NumPy as a ``Namespace``, for defaults.
NUMPY = cast(Namespace, numpy)


def is_array(value: object) -> TypeGuard[Array]:
    """Tell whether ``value`` is an array with at least one element slot, rather than a Python or NumPy scalar."""
    if isinstance(value, numpy.ndarray):
        return True
    if isinstance(value, float | int | numpy.generic):
        return False
    return _is_cupy(value) or hasattr(value, "__array_namespace__")


def namespace_of(array: object) -> Namespace:
    """Return the module of array functions that ``array`` belongs to."""
    if isinstance(array, numpy.ndarray):
        return NUMPY
    return cast(Namespace, sys.modules["cupy"] if _is_cupy(array) else cast(Any, array).__array_namespace__())


def _is_cupy(value: object) -> bool:
    return type(value).__module__.partition(".")[0] == "cupy"


def as_common(*values: Operand | Sequence[Any]) -> tuple[Namespace, list[Array]]:
    """Return ``xp, arrays``: the shared library, and every value as float64 on one device.

    Parameters
    ----------
    *values : numbers, or arrays of one library on one device. Numbers and NumPy scalars follow the arrays.

    Raises
    ------
    TypeError
        If arrays of two libraries are mixed.
    ValueError
        If arrays lie on two devices of one library.

    Examples
    --------
    >>> xp, (length_m, time_s) = as_common(numpy.asarray([6.0, 9.0]), 3)
    >>> (length_m / time_s).tolist()
    [2.0, 3.0]
    """
    arrays = [value for value in values if is_array(value)]
    spaces = {namespace_of(array) for array in arrays}
    if len(spaces) > 1:
        names = " and ".join(sorted(space.__name__ for space in spaces))
        raise TypeError(f"arrays come from {names}; convert them to one library first, with to_host or to_device")
    if not spaces or NUMPY in spaces:
        return NUMPY, [numpy.asarray(value, dtype=numpy.float64) for value in values]
    devices = {str(array.device) for array in arrays}
    if len(devices) > 1:
        raise ValueError(f"arrays lie on the devices {' and '.join(sorted(devices))}; move them to one device first")
    xp, device = spaces.pop(), arrays[0].device
    return xp, [_as_float64(xp, value, device) for value in values]


def _as_float64(xp: Namespace, value: Operand | Sequence[Any], device: object) -> Array:
    if is_array(value) or xp.__name__ in ("numpy", "cupy"):
        return xp.asarray(value, dtype=xp.float64)
    return xp.asarray(value, dtype=xp.float64, device=device)  # other libraries do not follow the current device


def place_of(xp: Namespace, like: Any) -> dict[str, Any]:
    """Return the options that put a new array of a library on the device of another array of it."""
    return {} if xp.__name__ in ("numpy", "cupy") else {"device": like.device}


def moved(values: AnyArray, beside: Any, *, whole: bool = False) -> Any:
    """Return values of the host as float64, or whole numbers, in the library and on the device of another array."""
    xp = namespace_of(beside)
    return xp.asarray(values, dtype=xp.int64 if whole else xp.float64, **place_of(xp, beside))


def to_host(array: Any) -> AnyArray:
    """Copy an array of any supported library to NumPy: the visible crossing before a plot or a table."""
    if _is_cupy(array):
        return cast(AnyArray, array.get())
    if is_array(array) and not isinstance(array, numpy.ndarray):
        return numpy.from_dlpack(array)
    return numpy.asarray(array)


#: Parameters of ``mallopt`` of the GNU C library, as its ``malloc.h`` numbers them, and what they are set to. [byte]
_TRIM_THRESHOLD, _MMAP_THRESHOLD = (-1, 2**27), (-3, 2**25)


@cache
def keep_freed_memory() -> None:
    """Have the GNU C library keep up to 128 MiB of what arrays gave back, for the arrays to come.

    Left to itself it gives the memory of large arrays back to the system, which clears every page of it anew: that was
    a tenth of a search and a sixth of an evaluation. Nothing happens under another C library, or where the environment
    variables of ``malloc`` say what is wanted.
    """
    if not sys.platform.startswith("linux") or any(name.startswith("MALLOC_") for name in os.environ):
        return
    mallopt: Any = getattr(ctypes.CDLL(None), "mallopt", None)
    for parameter, size in (_TRIM_THRESHOLD, _MMAP_THRESHOLD) if mallopt else ():
        mallopt(parameter, size)


def device_namespace(device: str = "auto") -> Namespace:
    """Return the array library for a device name.

    Parameters
    ----------
    device : ``"auto"``, ``"cpu"`` or ``"cuda"``.
        ``auto`` takes a GPU if CuPy is installed and a small computation on it succeeds; otherwise it says once that
        the CPU is used. The environment variable ``GIGACLUSTER_DEVICE`` overrides ``auto``.

    Raises
    ------
    ValueError
        If the name is none of the three.
    RuntimeError
        If ``cuda`` is asked for and no GPU answers.
    """
    if device == "auto":
        device = os.environ.get(DEVICE_VARIABLE, "auto")
    if device not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device is {device!r}; it can be 'auto', 'cpu' or 'cuda'")
    if device == "cpu":
        return NUMPY
    fault = _gpu_fault()
    if not fault:
        return cast(Namespace, sys.modules["cupy"])
    if device == "cuda":
        raise RuntimeError(f"device='cuda' was asked for, but no GPU answers: {fault}; use device='auto' or 'cpu'")
    _say_once_that_cpu_is_used(fault)
    return NUMPY


def to_device(values: Operand | Sequence[Any], device: str = "auto") -> Array:
    """Return ``values`` as a float64 array on the named device (see :func:`device_namespace`)."""
    return device_namespace(device).asarray(values, dtype=numpy.float64)


def free_bytes(xp: Namespace) -> float:
    """Return the memory that arrays of a library may still take on its device; infinity where that is the host's."""
    if xp.__name__ != "cupy":
        return math.inf
    cupy: Any = xp
    return float(cupy.cuda.Device().mem_info[0] + cupy.get_default_memory_pool().free_bytes())


def release(xp: Namespace) -> None:
    """Give back what the memory pool of a device holds unused, so that a larger piece may fit."""
    if xp.__name__ == "cupy":
        pool: Any = xp
        pool.get_default_memory_pool().free_all_blocks()


def kernel(cupy: Any, source: str, name: str) -> Callable[[Sequence[Any], Sequence[Any], int, int], Any]:
    """Return what runs a kernel of :func:`gigacluster.emission.c` on a GPU: one launch for a whole record.

    The function takes the columns of the inputs, the tables, the number of outputs and that of samples, and returns an
    array of shape (outputs, samples).
    """
    compiled = cupy.RawKernel(source, name, options=("--fmad=false",))

    def run(columns: Sequence[Any], tables: Sequence[Any], n_outputs: int, size: int) -> Any:
        out = cupy.empty((n_outputs, size))
        places = [[part.data.ptr for part in parts] or [0] for parts in (columns, tables, out)]
        blocks = min(-(-size // _THREADS), _MOST_BLOCKS)
        compiled((blocks,), (_THREADS,), (numpy.int64(size), *(cupy.asarray(p, dtype=cupy.uint64) for p in places)))
        return out

    return run


@cache
def _gpu_fault() -> str:
    """Say why no GPU can be used, or return an empty string: by a real computation, not by what is installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import cupy
    except ImportError:
        return "CuPy is not installed"
    if int(cupy.__version__.partition(".")[0]) < _OLDEST_CUPY:
        return f"CuPy {cupy.__version__} lacks functions that are called; install CuPy {_OLDEST_CUPY} or newer"
    try:
        if not cupy.cuda.is_available():
            return "CuPy is installed but finds no CUDA device"
        if float(cupy.arange(4.0).sum()) != 6.0:
            return "the GPU added 0+1+2+3 wrongly"
    except Exception as error:  # a broken driver may raise anything, and none of it should stop a CPU run
        return f"{type(error).__name__}: {error}"
    return ""


@cache
def _say_once_that_cpu_is_used(fault: str) -> None:
    # On a terminal beside the results, which may be piped; a notebook shows what stands there as a fault, in red.
    stream = sys.stdout if "ipykernel" in sys.modules else sys.stderr
    print(f"gigacluster: computing on the CPU ({fault}).", file=stream)
