"""Cost and race against figures that others printed, each with its ratio."""

import pandas as pd
import pytest

from gigacluster import cost, race
from gigareport import catalog
from gigareport.beside import accounts
from gigareport.beside import costs as checks
from gigareport.facts import use


@pytest.fixture(scope="module")
def facts():
    return catalog.load("cost_facts").set_index("fact_id")


def test_shares_of_cost_match_cottier_within_their_intervals(facts):
    _, servers, interconnect = accounts.cost_shares(
        facts.loc["epoch-server-overhead", "value"],
        facts.loc["epoch-interconnect-share", "value"],
        facts.loc["share-hardware", "value"],
    )
    for share, fact_id in ((servers, "share-servers"), (interconnect, "share-interconnect")):
        fact = facts.loc[fact_id]
        assert fact["low"] <= float(share) <= fact["high"]
        assert float(share) == pytest.approx(fact["value"], rel=0.05)  # the middles are printed with two digits


def test_four_tiers_need_a_third_more_optics_than_three(facts):
    four, three = (float(cost.network_usd_per_chip(100_000, 1.0, ports)) for ports in (64, 128))
    assert four / three == pytest.approx(facts.loc["network-4-tiers", "value"], rel=0.005)


def test_energy_bill_of_100000_h100(facts):
    kwh = facts.loc["h100-100k-energy", "value"]
    bill = kwh * facts.loc["electricity-us", "value"]
    assert bill == pytest.approx(facts.loc["h100-100k-energy-bill", "value"], rel=0.002)


def test_amortised_cost_of_known_models_matches_epoch():
    ratios = checks.costed_runs().set_index("model")["ratio"]
    assert len(ratios) >= 10
    # dates of release and start are rounded to months by the source, and value falls 27 % a year
    assert ratios.median() == pytest.approx(1.0, abs=0.1)
    assert ratios.between(0.75, 1.15).all(), ratios.to_string()


def test_defaults_give_the_published_figures_of_100000_h100():
    """Each of ours lies within 20 % of the published figure, or its interval holds it."""
    table = checks.beside_published(4_000).set_index("quantity")
    holds = table["published"].between(table["low"], table["high"])
    near = table["ratio"].between(0.8, 1.2)
    # Epoch AI's own vintages differ by 12 %; of its compute we are 16 % above the dearer one, because servers are
    # priced at quotes of 2024 rather than at what the largest buyer may have paid
    assert (holds | near).drop("Colossus 1, 100,000 H100: compute").all(), table.to_string()
    assert table.loc["Colossus 1, 100,000 H100: compute", "ratio"] == pytest.approx(1.3, abs=0.05)


def test_margin_of_a_landlord_lies_between_the_lives_of_five_and_six_years(facts):
    """At the rent of 2025-10 the life that an operator writes off over decides whether it earns 8 or 19 %."""
    margins = [
        float(
            accounts.gross_margin_frac(
                1.70,
                capital_usd_per_chip=facts.loc["h100-104858-server", "value"] + 6_600,
                life_years=life,
                running_usd_per_chip_hour=(facts.loc["colo-rent", "value"] / 730.5 + 0.8 * 1.25 * 0.078) * 1.403,
                utilisation_frac=0.9,
            )
        )
        for life in (5, 6)
    ]
    assert margins[0] < facts.loc["oracle-margin", "value"] < margins[1]


@pytest.mark.parametrize(
    ("gpu_usd", "lost_usd", "support_usd", "debugging_usd", "setup_usd", "total_usd"),
    [
        (5.43e6, 111e3, 0, 0, 0, 199.4e6),  # gold: goodput loss is all that stands beside the bill
        (6.42e6, 132e3, 321e3, 17e3, 3.3e6, 251.6e6),  # hyperscaler
        (5.90e6, 202e3, 0, 17e3, 3.0e6, 223.2e6),  # silver
    ],
)
def test_rent_adds_up_to_the_totals_of_a_published_calculator(
    gpu_usd, lost_usd, support_usd, debugging_usd, setup_usd, total_usd
):
    """ClusterMAX, 4,096 GPUs over 36 months, id clustermax-tco; sums are printed with three digits or so."""
    bill = cost.rent(
        n_chips=4_096,
        horizon_months=36,
        market_usd_per_chip_hour=gpu_usd / (4_096 * 730.5),
        discount_rate_per_year=0.0,
        extras_frac=(lost_usd + support_usd + debugging_usd) / gpu_usd,
        setup_usd=setup_usd,
    )
    assert float(bill.net_present_usd[0]) == pytest.approx(total_usd, rel=0.005)


def test_four_hundred_megawatts_six_months_earlier_are_worth_two_billion(facts):
    """SemiAnalysis 2025: worth billions, at 10 to 12 billion USD a GW-year."""
    fact = facts.loc["cloud-revenue-gw"]
    terms = {"n_chips": 1.0, "horizon_months": 12, "market_usd_per_chip_hour": 0.0, "discount_rate_per_year": 0.0}
    early, late = cost.rent(**terms), cost.rent(**terms, start_month=6.0)
    worth = [
        float(cost.decide(early, late, usd_per_useful_chip_hour=0.4 * fact[end] / 8766).advantage_usd[0])
        for end in ("low", "high")
    ]
    assert worth == pytest.approx([2.0e9, 2.4e9])


def test_leading_clusters_grow_as_pilz_found():
    from gigareport.facts.known import leaders_at_release

    leaders = leaders_at_release(catalog.load("gpu_clusters"), top=10)
    leaders = leaders[leaders["first_operational"].between("2019-01-01", "2025-03-31")]
    years = 2000 + (leaders["first_operational"] - pd.Timestamp("2000-01-01")).dt.days / 365.25
    trend = race.growth(years.to_numpy(), leaders["peak_16bit_op_per_s"].to_numpy())
    assert float(trend.low_per_year) < 2.5 < float(trend.high_per_year)
    assert float(trend.doubling_months) == pytest.approx(9.0, abs=0.5)


def test_the_lease_of_2026_is_shared_by_the_equivalents_of_both_sites():
    """Colossus 1 has 275,796 H100 equivalents; 105,000 more chips are GB200 of 2.5265 each at Colossus 2."""
    expected = 1.25e9 / (275_796 + 105_000 * 2.5265)
    assert use.usd_per_h100e_month() == pytest.approx(expected, rel=1e-3)  # about 2,310


def test_googles_lease_pays_eleven_dollars_an_hour():
    table = use.leases()
    assert table.loc["google-spacex", "usd_per_chip_hour"] == pytest.approx(11.45, rel=0.001)
