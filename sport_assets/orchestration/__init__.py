"""What every line takes from Dagster.

Belongs here: the asset decorator, check specs, the model-line factory, resources, sensors, launching of training,
``build``. Must not come here: anything of one sport, and torch or mlflow at module level.
"""
