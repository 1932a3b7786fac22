"""Random numbers by their place: the bits of the host, the kernel and any cut are the same, and they are random."""

import ctypes
import shutil

import numpy
import pytest
from scipy import stats

from gigacluster import philox
from gigacluster.philox import exponential, normal, uniform
from tests.cuda_on_host import SHIM, library_of
from tests.nvrtc import compiled, library

_LAUNCH = """
extern "C" void launch(long long blocks, long long threads, unsigned long long *key, long long skip, long long n,
    double *out) {
  blockDim.x = threads;
  for (blockIdx.x = 0; blockIdx.x < blocks; blockIdx.x++)
    for (threadIdx.x = 0; threadIdx.x < threads; threadIdx.x++)
      philox(key[0], key[1], key[2], key[3], key[4], skip, n, out);
}
"""


@pytest.mark.parametrize(("first", "size"), [(0, 1), (1, 7), (5, 100), (4_000_000_001, 33)])
def test_any_cut_gives_the_same_numbers(first, size):
    start = first // 4 * 4
    whole = uniform(numpy, 7, 2, 5, start, size + 8)
    assert uniform(numpy, 7, 2, 5, first, size).tobytes() == whole[first - start :][:size].tobytes()


def test_other_places_give_other_numbers():
    places = [(7, 0, 0, 0), (8, 0, 0, 0), (7, 1, 0, 0), (7, 0, 1, 0), (7, 0, 0, 1000)]
    assert len({uniform(numpy, *place, 100).tobytes() for place in places}) == len(places)


def test_numbers_follow_their_laws():
    place = (7, 0, 0, 0, 200_000)
    assert stats.kstest(uniform(numpy, *place), "uniform").pvalue > 1e-3
    assert stats.kstest(exponential(numpy, *place), "expon").pvalue > 1e-3
    assert stats.kstest(normal(numpy, *place), "norm").pvalue > 1e-3
    drawn = uniform(numpy, *place)
    assert 0 < drawn.min() < drawn.max() < 1
    assert abs(numpy.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 0.01


@pytest.mark.skipif(shutil.which("c++") is None, reason="needs a C++ compiler")
def test_the_kernel_gives_the_bits_of_the_host(tmp_path):
    launch = library_of(SHIM + philox.KERNEL + _LAUNCH, tmp_path).launch
    first, size = 10_000_003, 5_001
    out = numpy.zeros(size)
    words = (ctypes.c_ulonglong * 5)(7, 3, first // 4, 11, 0)
    pointer = out.ctypes.data_as(ctypes.POINTER(ctypes.c_double))
    launch(
        ctypes.c_longlong(6),
        ctypes.c_longlong(256),
        words,
        ctypes.c_longlong(first % 4),
        ctypes.c_longlong(size),
        pointer,
    )
    assert out.tobytes() == uniform(numpy, 7, 3, 11, first, size).tobytes()


def test_the_kernel_compiles_for_an_h100():
    nvrtc = library()
    if nvrtc is None:
        pytest.skip("needs NVRTC (the wheel nvidia-cuda-nvrtc) to compile CUDA")
    assert len(compiled(nvrtc, philox.KERNEL)) > 1000


def test_it_works_on_every_library(xp):
    drawn = exponential(xp.library if xp.name != "cupy" else xp, 7, 0, 0, 0, 8)
    assert drawn.shape == (8,)
