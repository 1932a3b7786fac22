"""What a giant AI training cluster buys, costs and changes.

Import the module you need: ``from gigacluster import scaling, throughput``. The model modules need NumPy and SciPy
alone, so that they also run on a machine that has nothing else but CuPy.
"""

__version__ = "0.1.0"
