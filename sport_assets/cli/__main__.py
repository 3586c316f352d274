"""`python -m sport_assets.cli`."""

from sport_assets.cli import app

app()
