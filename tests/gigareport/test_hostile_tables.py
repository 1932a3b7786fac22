"""Six hundred damaged tables: each is read, or refused in one short message that names line and column."""

import collections
import csv
import random
import time

from hostile_files import damaged

from gigareport import catalog, dictionary
from gigareport.catalog import CatalogError

SEED, N_FILES, LONGEST_CPU_S, LONGEST_MESSAGE = 20240709, 600, 5.0, 2_000


def files(folder):
    """Yield table names with damaged copies of them, the same ones in every run."""
    chance = random.Random(SEED)
    names = [name for name in catalog.names() if name != "scaling_law_replicates"]
    for number in range(N_FILES):
        name = chance.choice(names)
        with (catalog.data_dir() / f"{name}.csv").open(newline="", encoding="utf-8") as stream:
            rows = list(csv.reader(stream))[:30]
        file = folder / f"{number}.csv"
        raw = damaged(rows, chance).encode("utf-8", "surrogatepass")
        if chance.random() < 0.05:
            place = chance.randrange(len(raw) + 1)
            raw = raw[:place] + chance.randbytes(3) + raw[place:]
        file.write_bytes(raw)
        yield name, file


def test_every_damaged_table_is_read_or_refused_in_one_short_message(tmp_path):
    outcomes = collections.Counter()
    for name, file in files(tmp_path):
        start = time.process_time()
        try:
            table = catalog.load(name, path=file)
        except CatalogError as fault:
            message = str(fault)
            assert len(message) < LONGEST_MESSAGE, (name, message)
            assert message.replace("\n", "").isprintable(), (name, message)
            outcomes["refused"] += 1
        else:
            assert set(dictionary.columns_of(name)) <= set(table.columns)
            outcomes["read"] += 1
        assert time.process_time() - start < LONGEST_CPU_S, (name, file)
    # Not all are harmful: a longer note or a line less is a table still.
    assert outcomes["refused"] > N_FILES // 2, outcomes
    assert outcomes["read"] > N_FILES // 20, outcomes
