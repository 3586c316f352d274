"""What every line takes from Dagster.

Belongs here: the asset decorator, check specs, the model-line factory, resources, sensors, launching of training,
``build``. Must not come here: anything of one sport, and torch or mlflow at module level.
"""

import gc

import dagster  # noqa: F401 - loaded before the line below

# Dagster's own objects live as long as the process. Spared from every later collection, loading the definitions costs
# half a second of processor time less.
gc.freeze()
