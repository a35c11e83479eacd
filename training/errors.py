"""Everything training refuses.

    TrainingError
    └── DatasetError    a folder of images that cannot be trained on

Messages say what was found, what was wanted, and what to do.
"""


class TrainingError(Exception):
    """Base of all errors of this package."""


class DatasetError(TrainingError):
    """The images of a data set are unreadable, too few, or contradict each other; the message names them."""
