"""CUDA text run on the host: a C++ compiler, with what CUDA brings, and one thread after the other."""

import ctypes
import subprocess

import numpy

SHIM = """
#include <cmath>
#include <cstring>
using namespace std;
#undef INFINITY
#undef NAN
#define __global__
#define __device__
struct Place { long long x; };
static Place blockIdx, blockDim, threadIdx, gridDim;
static unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return (unsigned __int128)a * b >> 64;
}
static double __longlong_as_double(long long bits) { double x; memcpy(&x, &bits, 8); return x; }
"""
_LAUNCH = """
extern "C" void launch(long n, const double*const*x, const double*const*t, double*const*y) {
  blockDim.x = 32; gridDim.x = 3;
  for (blockIdx.x = 0; blockIdx.x < gridDim.x; blockIdx.x++)
    for (threadIdx.x = 0; threadIdx.x < blockDim.x; threadIdx.x++) NAME(n, x, t, y);
}
"""
FLAGS = ("-O1", "-march=native", "-ffp-contract=off", "-shared", "-fPIC")


def library_of(text, folder):
    """Compile text and return it as a library."""
    (folder / "kernel.cpp").write_text(text)
    subprocess.run(["c++", *FLAGS, folder / "kernel.cpp", "-o", folder / "kernel.so"], check=True)
    return ctypes.CDLL(str(folder / "kernel.so"))


def kernel(source, name, folder):
    """Do what :func:`gigacluster.arrays.kernel` does, on the host."""
    launch = library_of(SHIM + source + _LAUNCH.replace("NAME", name), folder).launch
    pointer = ctypes.POINTER(ctypes.c_double)

    def places(arrays):
        return (pointer * max(1, len(arrays)))(*[array.ctypes.data_as(pointer) for array in arrays])

    def run(columns, tables, n_outputs, size):
        given = [numpy.ascontiguousarray(column) for column in columns]
        out = numpy.empty((n_outputs, size))
        launch(ctypes.c_long(size), places(given), places(tables), places(list(out)))
        return out

    return run
