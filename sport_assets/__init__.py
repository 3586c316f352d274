"""Sports data from raw files to exported models, with a record of everything in between.

Here belongs the version and nothing else: this module is imported with every part of the package, also where
torch or Dagster must not be loaded.
"""

__version__ = "0.1.0"
