"""Random numbers by their place: the same on every device, for every worker, in any order.

Philox 4x64-10 makes four numbers of a counter and a key. On the host NumPy's own generator computes it, on a GPU the
kernel below; both give the same bits.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy

from gigacluster.arrays import Array, Namespace

#: Numbers that one counter gives.
_WIDTH = 4
_THREADS = 256

KERNEL = """
extern "C" __global__ void philox(unsigned long long k0, unsigned long long k1, unsigned long long c0,
    unsigned long long c1, unsigned long long c2, long long skip, long long n, double *out) {
  long long j = blockIdx.x * (long long)blockDim.x + threadIdx.x;
  unsigned long long x[4] = {c0 + 1 + j, c1, c2, 0};
  const unsigned long long m0 = 0xD2E7470EE14C6C93ULL, m1 = 0xCA5A826395121157ULL;
  for (int round = 0; round < 10; round++) {
    unsigned long long high0 = __umul64hi(m0, x[0]), low0 = m0 * x[0];
    unsigned long long high1 = __umul64hi(m1, x[2]), low1 = m1 * x[2];
    x[0] = high1 ^ x[1] ^ k0; x[1] = low1; x[2] = high0 ^ x[3] ^ k1; x[3] = low0;
    k0 += 0x9E3779B97F4A7C15ULL; k1 += 0xBB67AE8584CAA73BULL;
  }
  for (int i = 0; i < 4; i++) {
    long long place = 4 * j + i - skip;
    if (place >= 0 && place < n) out[place] = ((double)(x[i] >> 11) + 0.5) * 0x1p-53;
  }
}
"""


def uniform(xp: Namespace, seed: int, stream: int, step: int, first: int, size: int) -> Array:
    """Return numbers ``first`` to ``first + size`` of a stream at a step, evenly spread over (0, 1).

    Parameters
    ----------
    xp : Library of the array.
    seed, stream, step : Whole numbers that name the numbers: other ones give others.
    first, size : Which of them.

    Examples
    --------
    >>> whole = uniform(numpy, 7, 0, 3, 0, 10)
    >>> bool((uniform(numpy, 7, 0, 3, 6, 4) == whole[6:]).all())
    True
    """
    block, skip = divmod(first, _WIDTH)
    counter = (block, step, 0, 0)
    if xp.__name__ == "cupy":
        return _on_device(xp, (seed, stream), counter, skip, size)
    raw = numpy.random.Philox(counter=counter, key=(seed, stream)).random_raw(skip + size)[skip:]
    return xp.asarray(((raw >> numpy.uint64(11)).astype(numpy.float64) + 0.5) * 2.0**-53)


def exponential(xp: Namespace, *place: int) -> Array:
    """Return numbers of the unit exponential distribution, at a place as in :func:`uniform`."""
    return -xp.log(uniform(xp, *place))


def normal(xp: Namespace, seed: int, stream: int, step: int, first: int, size: int) -> Array:
    """Return numbers of the standard normal distribution, from a stream and the next (Box and Muller)."""
    radius = xp.sqrt(2.0 * exponential(xp, seed, stream, step, first, size))
    return radius * xp.cos(2.0 * numpy.pi * uniform(xp, seed, stream + 1, step, first, size))


@cache
def _kernel(cupy: Any) -> Any:
    return cupy.RawKernel(KERNEL, "philox")


def _on_device(cupy: Any, key: tuple[int, int], counter: tuple[int, int, int, int], skip: int, size: int) -> Array:
    out: Array = cupy.empty(size)
    n_threads = -(-(skip + size) // _WIDTH)
    numbers = [numpy.uint64(value) for value in (*key, *counter[:3])]
    _kernel(cupy)((-(-n_threads // _THREADS),), (_THREADS,), (*numbers, numpy.int64(skip), numpy.int64(size), out))
    return out
