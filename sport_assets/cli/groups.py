"""The groups to which each line adds its own command.

Belongs here: the groups. Must not come here: commands.
"""

import typer

sample_app = typer.Typer(help="Generated raw files in a line's own format.", no_args_is_help=True)
predict_app = typer.Typer(help="Batch prediction with an exported model, without torch.", no_args_is_help=True)
tune_app = typer.Typer(help="Search better settings for a preset, never on test data.", no_args_is_help=True)
simulate_app = typer.Typer(help="What may still happen, many times over, with an exported model.", no_args_is_help=True)
