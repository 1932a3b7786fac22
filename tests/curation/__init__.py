"""How the tables of ``data/`` that follow wholesale from raw files are made from them."""
