"""data/rental_prices.csv, hardware_prices.csv and training_costs.csv from the raw price files and cost estimates."""

import pandas as pd

from gigareport.dictionary import columns_of

#: Names in the raw files -> data/chips.csv. Names that leave the memory or the number of GPUs open are left out:
#: "A100" and "GB200" (one GPU or the pair). A rented "H100" is mostly the SXM part; catalogues do not always say.
CHIPS = {
    "V100": "V100-SXM",
    "A100 40GB": "A100-40",
    "A100 80GB": "A100-80",
    "NVIDIA A100 SXM4 40 GB": "A100-40",
    "NVIDIA A100 SXM4 80 GB": "A100-80",
    "H100": "H100-SXM",
    "H100 SXM": "H100-SXM",
    "NVIDIA H100 SXM5 80GB": "H100-SXM",
    "H100 PCIe": "H100-PCIe",
    "NVIDIA H100 PCIe": "H100-PCIe",
    "H200": "H200",
    "NVIDIA H200 SXM": "H200",
    "B200": "B200",
    "NVIDIA B200": "B200",
    "B300": "B300",
    "MI300X": "MI300X",
    "AMD Instinct MI300X": "MI300X",
    "MI325X": "MI325X",
    "Google TPU v4": "TPUv4",
    "Google TPU v5e": "TPUv5e",
    "Google TPU v6e Trillium": "TPUv6e",
}
#: In the file of 2026 a "GB200" is one GPU: its cost stands between those of a B200 and a GB300.
CHIPS_OF_2026 = CHIPS | {"GB200": "GB200", "GB300": "GB300", "H100-SXM": "H100-SXM", "H100-PCIe": "H100-PCIe"}
#: "secure" and "community" are one marketplace's names; "serverless" is another product and is left out.
KINDS = {"on_demand": "on_demand", "secure": "on_demand", "spot": "spot", "community": "spot"}
PANEL_SOURCES = {
    "cloud-gpus.com": "cloud-gpus",
    "full-stack cloud-gpus": "full-stack-cloud-gpus",
    "gpurentalprices.com": "gpu-rental-prices",
    "skypilot-catalog v8 oci 0588751": "skypilot-catalog",
    "skypilot-catalog v8 nebius 0082b04": "skypilot-catalog",
}
#: Quotes and indices collected by hand -> source and kind. Left out: a demonstration site, an index without a month,
#: and a "list price" of 3.90 USD for AWS that the cut it reports cannot give (12.29 less 44 % is 6.88).
QUOTES = {
    "Cheah (Latent Space)": "latent-space-gpu-bubble",
    "Latent Space via wiki": "latent-space-gpu-bubble",
    "SemiAnalysis via wiki": "semianalysis-rental-quotes",
    "SemiAnalysis index": "semianalysis-rental-quotes",
    "SemiAnalysis survey": "semianalysis-rental-quotes",
    "Next Platform / AWS": "nextplatform-aws-p5",
    "HN on Next Platform": "aws-h100-reserved",
    "AIMultiple median": "aimultiple-gpu-index",
    "spot index": "spot-index-2026-06",
}
QUOTE_KINDS = {"initial": "on_demand", "typical": "on_demand", "spot_or_on_demand": "on_demand"}
#: Catalogue rows of 2026 that repeat a list price of before the cuts of 2025, or another cloud's.
STALE_2026 = {("aws", 12.29), ("azure", 11.06)}

PRICE_COLUMNS = {
    "Price per chip-hour (on-demand)": "on_demand",
    "Price per chip-hour (1-year CUD)": "reserved_1y",
    "Price per chip-hour (3-year CUD)": "reserved_3y",
}


def _full_date(text):
    return text + {4: "-01-01", 7: "-01", 10: ""}[len(text)]


def rental_prices(raw_data):
    """Return the table as ``data/rental_prices.csv`` holds it."""
    table = pd.concat([_panel(raw_data), _epoch_rents(raw_data), _quotes(raw_data), _rents_of_2026(raw_data)])
    keys = ["date", "chip", "provider", "kind", "usd_per_chip_hour"]
    table = table.drop_duplicates(keys).sort_values([*keys, "source_id"])
    return table[columns_of("rental_prices")].reset_index(drop=True)


def _panel(raw_data):
    raw = pd.read_csv(raw_data / "gpu_rental_prices" / "gpu_rental_price_panel.csv")
    stale = [
        date >= "2026" and (provider.lower().split()[0], price) in STALE_2026
        for date, provider, price in zip(raw["date"], raw["provider"], raw["price_usd_gpu_hr"], strict=True)
    ]
    raw = raw[~raw["suspect"] & ~pd.Series(stale, index=raw.index)]
    raw = raw[raw["gpu_norm"].isin(CHIPS) & raw["kind"].isin(KINDS) & (raw["price_usd_gpu_hr"] > 0)]
    return pd.DataFrame(
        {
            "date": raw["date"],
            "chip": raw["gpu_norm"].map(CHIPS),
            "provider": raw["provider"].str.strip(),
            "kind": raw["kind"].map(KINDS),
            "basis": "list",
            "usd_per_chip_hour": raw["price_usd_gpu_hr"],
            "source_id": raw["source"].map(PANEL_SOURCES),
        }
    )


def _epoch_rents(raw_data):
    raw = pd.read_csv(raw_data / "epoch_hardware_prices" / "hardware_prices.csv")
    copied = raw["Price source"].str.contains("the-full-stack", na=False)  # the panel has these at their origin
    raw = raw[raw["Hardware model"].isin(CHIPS) & raw["Price date"].notna() & raw["Vendor"].notna() & ~copied]
    long = raw.melt(
        id_vars=["Price date", "Hardware model", "Vendor"],
        value_vars=list(PRICE_COLUMNS),
        value_name="usd_per_chip_hour",
    ).dropna(subset="usd_per_chip_hour")
    return pd.DataFrame(
        {
            "date": long["Price date"],
            "chip": long["Hardware model"].map(CHIPS),
            "provider": long["Vendor"].str.strip(),
            "kind": long["variable"].map(PRICE_COLUMNS),
            "basis": "list",
            "usd_per_chip_hour": long["usd_per_chip_hour"],
            "source_id": "epoch-hardware-prices",
        }
    )


def _quotes(raw_data):
    raw = pd.read_csv(raw_data / "cost_facts" / "rental_prices.csv")
    raw = raw[raw["dataset_or_source"].isin(QUOTES) & raw["chip"].isin(CHIPS)]
    return pd.DataFrame(
        {
            "date": raw["date"].map(_full_date),
            "chip": raw["chip"].map(CHIPS),
            "provider": raw["vendor"].replace({"AWS (HN analysis)": "Amazon Web Services"}),
            "kind": raw["term"].replace(QUOTE_KINDS).mask(raw["vendor"] == "market (resale)", "spot"),
            "basis": raw["price_kind"].map({"list": "list", "market": "quoted", "index": "quoted"}),
            "usd_per_chip_hour": raw["usd_per_gpu_hour"],
            "source_id": raw["dataset_or_source"].map(QUOTES),
        }
    )


#: What a row of the rents of 2026 is: provider, kind, basis and source. Rows that stand in the other file
#: under the same survey or index are left out, as is the H100-NVL, which is no chip of the catalog.
RENTS_OF_2026 = {
    "3-year contract": ("neocloud", "reserved_3y", "quoted", "semianalysis-tco-2026"),
    "neocloud spot index": ("neocloud index", "spot", "quoted", "silicon-data-2026"),
    "on-demand (one provider)": ("Spheron", "on_demand", "list", "spheron-2026"),
    "dedicated endpoint on-demand": ("Together AI, dedicated", "on_demand", "list", "together-endpoints-2026"),
    "billed to trainers": ("Gradients, billed", "on_demand", "list", "gradients-2026"),
}


def _rents_of_2026(raw_data):
    raw = pd.read_csv(raw_data / "facts_2026" / "rents_2026.csv", dtype={"date": str})
    raw = raw[raw["kind"].isin(RENTS_OF_2026) & raw["chip"].isin(CHIPS_OF_2026)]
    made = pd.DataFrame([RENTS_OF_2026[kind] for kind in raw["kind"]], index=raw.index)
    return pd.DataFrame(
        {
            "date": raw["date"].map(_full_date),
            "chip": raw["chip"].map(CHIPS_OF_2026),
            "provider": made[0],
            "kind": made[1],
            "basis": made[2],
            "usd_per_chip_hour": raw["usd_per_chip_hour"],
            "source_id": made[3],
        }
    )


#: Purchase rows collected by hand: item -> chip, scope, source.
ITEMS = {
    "GB200 NVL72 rack IT hardware": ("GB200", "rack", "bernstein-2025"),
    "H100 cluster all-in ex storage, Nvidia reference arch": ("H100-SXM", "cluster", "semianalysis-neocloud-2024"),
    "H100 cluster all-in ex storage, optimised 2:1": ("H100-SXM", "cluster", "semianalysis-neocloud-2024"),
    "NVIDIA H100 SXM server (8 GPU), typical OEM quote": ("H100-SXM", "server", "semianalysis-neocloud-2024"),
    "NVIDIA GB200 per GPU (Epoch annual range)": ("GB200", "chip", "epoch-chip-prices"),
    "NVIDIA H100 (Epoch annual range)": ("H100-SXM", "chip", "epoch-chip-prices"),
}


def hardware_prices(raw_data):
    """Return the table as ``data/hardware_prices.csv`` holds it."""
    raw = pd.read_csv(raw_data / "cost_facts" / "hardware_prices.csv", dtype={"date": str})
    imputed = raw["note"].str.contains("not a real sale price", na=False)
    other_part = raw["note"].str.contains("94 GB", na=False)  # a 94 GB card sold as the 80 GB one
    raw = raw[(raw["item"].isin(ITEMS) | raw["item"].isin(CHIPS)) & ~imputed & ~other_part]
    in_servers = raw["gpus_in_unit"] > 1
    read = [
        ITEMS.get(item) or (CHIPS[item], "server" if in_server else "chip", "epoch-hardware-prices")
        for item, in_server in zip(raw["item"], in_servers, strict=True)
    ]
    ranges = raw["note"].str.extract(r"low (\d+) high (\d+)").astype(float)
    table = pd.DataFrame(
        {
            "date": raw["date"].map(_full_date),
            "date_precision": raw["date"].str.len().map({4: "year", 7: "month", 10: "day"}),
            "chip": [chip for chip, _, _ in read],
            "scope": [scope for _, scope, _ in read],
            "usd_per_chip": raw["usd_per_gpu"],
            "low_usd_per_chip": ranges[0],
            "high_usd_per_chip": ranges[1],
            "source_id": [source_id for _, _, source_id in read],
            "note": [_price_note(item, note) for item, note in zip(raw["item"], raw["note"], strict=True)],
        }
    )
    table = pd.concat([table, _mi300x(raw_data), _gb300(raw_data)])
    table = table.drop_duplicates().sort_values(["chip", "date", "usd_per_chip"])
    return table[columns_of("hardware_prices")].reset_index(drop=True)


def _mi300x(raw_data):
    """Return the one purchase price of a chip that the hand-collected file lacks."""
    raw = pd.read_csv(raw_data / "epoch_hardware_prices" / "hardware_prices.csv")
    raw = raw[(raw["Hardware model"] == "AMD Instinct MI300X") & raw["Price (hardware purchase)"].notna()]
    return pd.DataFrame(
        {
            "date": raw["Price date"],
            "date_precision": "day",
            "chip": "MI300X",
            "scope": "server",
            "usd_per_chip": raw["Price (hardware purchase)"],
            "source_id": "epoch-hardware-prices",
            "note": "one shop's list price of eight on their baseboard",
        }
    )


def _gb300(raw_data):
    """Return the range of the year in which the GB300 came out; that of 2024 is of before it was sold."""
    raw = pd.read_csv(raw_data / "epoch_chip_sales" / "nvidia_annual_prices.csv").set_index("Year")
    low, high = (float(raw.loc[2025, f"GB300 {end}"]) for end in ("low", "high"))
    return pd.DataFrame(
        {
            "date": ["2025-01-01"],
            "date_precision": "year",
            "chip": "GB300",
            "scope": "chip",
            "usd_per_chip": round((low * high) ** 0.5),
            "low_usd_per_chip": low,
            "high_usd_per_chip": high,
            "source_id": "epoch-chip-prices",
            "note": "geometric mean of the year's range, which is a GB200's",
        }
    )


def _price_note(item, note):
    if item.startswith("H100 cluster"):
        return item.removeprefix("H100 cluster ") + "; 1,024 GPUs"
    if "Euro to USD" in str(note) or "euro to USD" in str(note):
        return "converted from euro"
    return "geometric mean of the year's range" if "Epoch annual range" in item else None


def training_costs(raw_data):
    """Return the table as ``data/training_costs.csv`` holds it."""
    folder = raw_data / "epoch_training_costs"
    first = pd.read_csv(folder / "model_costs.csv").set_index("Model")
    later = pd.read_csv(folder / "model_costs_updated.csv").set_index("Model")
    systems = pd.read_csv(folder / "ml_systems_with_compute.csv").drop_duplicates("Model").set_index("Model")
    table = first.join(later, how="outer").join(systems, how="left").sort_index()
    table = pd.DataFrame(
        {
            "model": table.index,
            "published": table["Publication date"],
            "chip": table["Training hardware"],
            "n_chips": table["Hardware quantity"],
            "chip_hours": table["Training chip-hours"],
            "training_flop": table["Training compute (FLOP)"],
            "amortised_usd_2023": table["Hardware_Capex_Energy_Cost"].round(),
            "cloud_usd_2023": table["Cloud_Cost"].round(),
            "acquisition_usd_2023": table["Hardware_Acquisition_Cost"].round(),
            "later_run_usd_2023": table["Cost"].round(),
            "source_id": "epoch-training-costs",
        }
    )
    return table[columns_of("training_costs")].reset_index(drop=True)
