"""Generated match files in Cricsheet's format.

The rooms: `league` (teams, players, grounds, the calendar), `play` (what a ball brings, ball by ball), `match` (innings
and the match file), `sample` (files), `defects` (damage on purpose). Nothing here reads or checks data.

What a ball brings depends on who bats and bowls, on the phase, on wickets, on the ground and on what is to be chased,
so that a model can learn more than how often each outcome comes in each over. Unusual matches come in turn: super
overs, rain, no result, retirements, two entries on a ball, penalty runs, five and seven runs, fours that were run, two
people of one name, a file that says 50 overs, miscounted overs, chases without a target.
"""

from sport_assets.cricket.synthetic.sample import GeneratedSample, generate

__all__ = ["GeneratedSample", "generate"]
