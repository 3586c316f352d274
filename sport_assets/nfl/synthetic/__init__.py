"""Generated raw NFL weeks in the competition's own files, columns and number formats.

The rooms: `league` (teams, players, games, situations), `motion` (limited speed and acceleration), `offence`,
`defence` and `movement` (the simulation), `tracking` and `supplementary` (tables), `sample` (files),
`defects` (damage on purpose, with `lines`). Nothing here reads or checks data.

Files, under `output`: `train/input_{season}_w{week:02d}.csv` (23 columns, snap to throw, 10 Hz),
`train/output_{season}_w{week:02d}.csv` (6 columns, ball in the air, `player_to_predict` only) and
`supplementary_data.csv` (41 columns, one row a play). Coordinates are yards in field coordinates, both play
directions; `dir` and `o` are degrees clockwise from +y, so vx = s sin(dir); missing is `NA`.

Charted coverage shows in the movement: in man coverage defenders go with their receivers and watch them, in zone they
drop to an area and watch the passer. It cannot always be told: 7 % of the plays are played as the other kind, a quarter
is disguised before the snap, and 3 % have no label.
"""

from sport_assets.nfl.synthetic.sample import GeneratedSample, generate

__all__ = ["GeneratedSample", "generate"]
