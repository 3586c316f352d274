"""Names of grounds: one for all spellings of a ground, and never one for two grounds. All spellings are real ones."""

import polars as pl
import pytest

from sport_assets.cricket import history, innings_state
from sport_assets.cricket.batches import EntityTable
from sport_assets.cricket.cricsheet import read_match
from sport_assets.cricket.deliveries import clean_year
from sport_assets.cricket.grounds import ground_name
from sport_assets_tests.cricket.match_files import data, match

Spelling = tuple[str, str | None]
SPELLINGS: dict[str, list[Spelling]] = {
    "Hagley Oval": [("Hagley Oval", "Christchurch"), ("Hagley Oval, Christchurch", "Christchurch")],
    "Adelaide Oval": [("Adelaide Oval", None), ("Adelaide Oval", "Adelaide")],
    # what is the city in one file is the country in another
    "Kensington Oval": [
        ("Kensington Oval, Bridgetown", "Barbados"), ("Kensington Oval, Bridgetown, Barbados", "Bridgetown"),
    ],
    "Providence Stadium": [("Providence Stadium", "Guyana"), ("Providence Stadium, Guyana", "Providence")],
    "Bready Cricket Club": [
        ("Bready Cricket Club, Magheramason", "Londonderry"),
        ("Bready Cricket Club, Magheramason", "Bready"),
        ("Bready Cricket Club, Magheramason, Bready", "Bready"),
    ],
    # towns that changed their name, and one that is misspelt
    "St George's Park": [("St George's Park", "Port Elizabeth"), ("St George's Park, Gqeberha", "Gqeberha")],
    "M Chinnaswamy Stadium": [
        ("M Chinnaswamy Stadium", "Bangalore"),
        ("M Chinnaswamy Stadium, Bangalore", "Bengaluru"),
        ("M.Chinnaswamy Stadium", "Bengaluru"),
    ],
    "R Premadasa Stadium": [("R Premadasa Stadium", "Colombo"), ("R.Premadasa Stadium, Khettarama", "Colombo")],
    "Gahanga International Cricket Stadium": [
        ("Gahanga International Cricket Stadium, Rwanda", "Kigali City"),
        ("Gahanga International Cricket Stadium. Rwanda", "Kigali City"),
    ],
    "Dr Y S Rajasekhara Reddy ACA-VDCA Cricket Stadium": [
        ("Dr. Y.S. Rajasekhara Reddy ACA-VDCA Cricket Stadium", "Visakhapatnam"),
        ("Dr. Y.S. Rajasekhara Reddy ACA-VDCA Cricket Stadium, Visakhapatnam", "Visakhapatnam"),
    ],
    # names that could be anywhere have their city
    "County Ground, Bristol": [
        ("County Ground", "Bristol"), ("County Ground, Bristol", "Bristol"), ("County Ground, Bristol", None),
    ],
    "County Ground, Taunton": [("County Ground", "Taunton")],
    "County Ground, Chelmsford": [("County Ground, Chelmsford", "Chelmsford")],
    "National Stadium, Karachi": [("National Stadium", "Karachi"), ("National Stadium, Karachi", "Karachi")],
    "National Stadium, Hamilton": [("National Stadium", "Hamilton"), ("National Stadium, Hamilton", "Hamilton")],
    "National Cricket Stadium, St George's": [
        ("National Cricket Stadium, Grenada", "St George's"),
        ("National Cricket Stadium, St George's, Grenada", "St George's"),
    ],
    "Gymkhana Club Ground, Nairobi": [
        ("Gymkhana Club Ground", "Nairobi"), ("Gymkhana Club Ground, Nairobi", "Nairobi"),
    ],
    "Gymkhana Club Ground, Dar-es-Salaam": [("Gymkhana Club Ground, Dar-es-Salaam", "Dar-es-Salaam")],
    "The Wanderers Stadium, Johannesburg": [
        ("The Wanderers Stadium", "Johannesburg"), ("The Wanderers Stadium, Johannesburg", "Johannesburg"),
    ],
    "Wanderers Cricket Ground, Windhoek": [
        ("Wanderers Cricket Ground", "Windhoek"), ("Wanderers Cricket Ground, Windhoek", "Windhoek"),
    ],
    # grounds side by side
    "La Manga Club Top Ground": [("La Manga Club Top Ground", "Murcia")],
    "La Manga Club Bottom Ground": [("La Manga Club Bottom Ground", "Murcia")],
    "Nigeria Cricket Federation Oval 1": [("Nigeria Cricket Federation Oval 1, Abuja", "Abuja")],
    "Nigeria Cricket Federation Oval 2": [("Nigeria Cricket Federation Oval 2, Abuja", "Abuja")],
    # nothing more is known
    "National Stadium": [("National Stadium", None)],
    "": [("", None)],
}  # fmt: skip


@pytest.mark.parametrize(("name", "spellings"), SPELLINGS.items())
def test_a_ground_has_one_name(name: str, spellings: list[Spelling]) -> None:
    assert {ground_name(venue, city) for venue, city in spellings} == {name}


def test_rates_and_tables_know_a_ground_under_another_spelling() -> None:
    spellings = {"1": ("Hagley Oval", "2021-02-22"), "2": ("Hagley Oval, Christchurch", "2024-03-16")}
    files = {each: match(venue=venue, city="Christchurch", dates=[date]) for each, (venue, date) in spellings.items()}
    clean = clean_year([read_match(each, data(content)) for each, content in files.items()])
    assert clean.matches["venue"].to_list() == [venue for venue, _ in spellings.values()], "as the files spell it"
    earlier, later = (
        innings_state.build(
            clean.deliveries.filter(match_id=each).with_columns(outcome=pl.lit(1)), clean.matches.filter(match_id=each)
        )
        for each in files
    )
    assert earlier.venues == later.venues == ("Hagley Oval",)
    assert EntityTable.of(earlier).venues == ("Hagley Oval",)
    rates = history.rates(history.Situations.of(earlier), history.Situations.of(later))
    assert history.balls_known(rates, "venue").min() > 0
