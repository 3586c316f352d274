"""What can be wrong with what a user brings to this line, said with file, place and remedy.

Belongs here: the exceptions of the line's readers. Must not come here: exceptions of the kernel.
"""

from sport_assets.lineage.errors import LineageError


class BadInputError(LineageError):
    """Something a user brought cannot be used. The message names the file, the row or key in it, and the remedy."""


class BadVideoError(BadInputError):
    """A video that cannot be decoded, or is none."""


class BadEventsError(BadInputError):
    """A file of events that cannot be read as one."""


class BadLabelsError(BadInputError):
    """A file of boxes (COCO, YOLO, Pascal VOC, CVAT) that cannot be read as one."""


class BadWeightsError(BadInputError):
    """A file of weights that does not fit the network it is wanted for."""
