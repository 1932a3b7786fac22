"""The tables, as a package so that an installed gigacluster carries them."""
