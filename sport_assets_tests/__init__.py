"""Tests of sport_assets, in the same tree as the package."""
