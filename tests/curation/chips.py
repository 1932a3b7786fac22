"""data/chips.csv from the raw table of chips and Epoch AI's table of machine-learning hardware."""

import pandas as pd

from gigareport.dictionary import columns_of

#: Chip -> its name in Epoch's table, for the date it could first be had.
EPOCH_NAMES = {
    "V100-SXM": "NVIDIA Tesla V100 SXM2",
    "A100-40": "NVIDIA A100 SXM4 40 GB",
    "A100-80": "NVIDIA A100 SXM4 80 GB",
    "H100-SXM": "NVIDIA H100 SXM5 80GB",
    "H100-PCIe": "NVIDIA H100 PCIe",
    "H800": "NVIDIA H800 SXM5",
    "H20": "NVIDIA HGX H20",
    "B200": "NVIDIA B200",
    "GB200": "NVIDIA GB200",
    "B300": "NVIDIA B300 (Blackwell Ultra)",
    "GB300": "NVIDIA GB300 (Blackwell Ultra)",
    "MI250X": "AMD Radeon Instinct MI250X",
    "MI300X": "AMD Instinct MI300X",
    "MI325X": "AMD Instinct MI325X",
    "MI355X": "AMD Instinct MI355X",
    "TPUv4": "Google TPU v4",
    "TPUv5e": "Google TPU v5e",
    "TPUv5p": "Google TPU v5p",
    "TPUv6e": "Google TPU v6e Trillium",
    "TPUv7": "Google TPU v7 Ironwood",
    "Gaudi2": "Intel Habana Gaudi2",
    "Gaudi3": "Intel Habana Gaudi3",
    "Trainium1": "Amazon Trainium1",
    "Trainium2": "Amazon Trainium2",
}
#: H200: Epoch dates the NVL card (2024-11); SXM systems shipped from the second quarter of 2024.
AVAILABLE_ON = {"H200": "2024-04-01"}
#: Power by Epoch AI where the raw table is blank, or gives a B300 the power of a B200.
TDP_W = {"TPUv5p": 540, "TPUv6e": 380, "B300": 1100}
#: What a program can use, where vendor figures differ from it or are it.
USABLE_GIB = {"B200": 180, "GB200": 186, "B300": 270, "GB300": 279}
USABLE_BY_VENDOR = ("B200", "GB200")
#: Streaming multiprocessors or compute units, from the vendors' architecture papers, as remembered.
N_PROCESSORS = {
    "V100-SXM": 80,
    "A100-40": 108,
    "A100-80": 108,
    "H100-TT": 132,
    "H100-PCIe": 114,
    "H800": 132,
    "H20": 78,
    "B200": 148,
    "GB200": 148,
    "B300": 160,
    "GB300": 160,
    "MI300X": 304,
    "MI325X": 304,
}
#: The same silicon in a row of the newer list, and how many of them: GH200-96 has the rates of an H100 SXM, the H200
#: the compute of an H100, the MI350X the silicon of an MI355X, and a MI250X two of its dies.
SAME_SILICON = {
    "H100-SXM": ("GH200-96", 1),
    "H200": ("GH200-96", 1),
    "MI250X": ("MI250X-GCD", 2),
    "MI355X": ("MI350X", 1),
}
ACHIEVED_LINKS = ("TPUv4", "TPUv5e", "TPUv5p", "TPUv6e")
SOURCES = {
    "ST": "ml-engineering-accelerators",
    "EP": "epoch-ml-hardware",
    "SB": "scaling-book-tpus",
    "torchtitan benchmarks/*.md": "torchtitan-benchmarks",
}
#: What RECALL(...) in the raw sources stands for; prices are not in this table.
RECALLED = {
    "V100-SXM": "memory_gb_per_s;scaleup_gb_per_s;scaleout_gbit_per_s",
    "H800": "scaleup_gb_per_s",
    "H20": "fp8_tflops;scaleup_gb_per_s;scaleout_gbit_per_s",
    "TPUv4": "scaleout_gbit_per_s",
    "TPUv5e": "scaleout_gbit_per_s",
    "TPUv5p": "scaleout_gbit_per_s",
    "TPUv6e": "scaleout_gbit_per_s",
    "TPUv7": "scaleout_gbit_per_s",
    "Trainium1": "memory_gib;memory_gb_per_s;scaleup_gb_per_s;scaleout_gbit_per_s",
}


def build(raw_data):
    """Return the table as ``data/chips.csv`` holds it."""
    raw = pd.read_csv(raw_data / "chips" / "chips.csv")
    epoch = pd.read_csv(raw_data / "epoch_ml_hardware" / "ml_hardware.csv").set_index("Hardware name")["Release date"]
    dates = {chip: epoch[name] for chip, name in EPOCH_NAMES.items()} | AVAILABLE_ON
    sources = [_source_ids(chip, text, dates) for chip, text in zip(raw["chip"], raw["sources"], strict=True)]
    recalled = [
        ";".join(filter(None, (RECALLED.get(chip), "n_processors" if chip in N_PROCESSORS else None))) or None
        for chip in raw["chip"]
    ]
    new = pd.read_csv(raw_data / "catalogue_2026" / "chips_new.csv")
    silicon = new.set_index("chip")
    processors = N_PROCESSORS | {c: n * silicon.loc[row, "n_processors"] for c, (row, n) in SAME_SILICON.items()}
    further = {chip: [silicon.loc[row, "source_id"]] for chip, (row, _) in SAME_SILICON.items()}
    sources = [list(dict.fromkeys(ids + further.get(chip, []))) for chip, ids in zip(raw["chip"], sources, strict=True)]
    table = raw.assign(
        available_on=raw["chip"].map(dates).fillna(raw["release_date"]),
        memory_gib=raw["memory_gb"],
        memory_basis=raw["chip"].map(dict.fromkeys(USABLE_BY_VENDOR, "usable")).fillna("physical"),
        usable_memory_gib=raw["chip"].map(USABLE_GIB),
        memory_gb_per_s=raw["memory_bw_gbs"],
        scaleup_gb_per_s=raw["scaleup_gbs_per_dir"],
        scaleup_basis=raw["chip"].map(dict.fromkeys(ACHIEVED_LINKS, "achieved")).fillna("nominal"),
        scaleout_gbit_per_s=raw["scaleout_gbps_per_chip"],
        tdp_w=raw["chip"].map(TDP_W).fillna(raw["tdp_w"]),
        n_processors=raw["chip"].map(processors),
        recalled=recalled,
        source_id=[ids[0] for ids in sources],
        further_source_ids=[";".join(ids[1:]) or None for ids in sources],
        note=raw["notes"],
    )
    return pd.concat([table, new], ignore_index=True)[columns_of("chips")]


def _source_ids(chip, text, dates):
    """Return the ids of a row's sources: its own first, then the one of its date, then memory."""
    named = [SOURCES[key] for key in text.split(";") if key in SOURCES]
    dated = ["epoch-ml-hardware"] if chip in dates else []
    return list(dict.fromkeys(named + dated + ["chips-recalled"] * (chip in RECALLED or chip in N_PROCESSORS)))
