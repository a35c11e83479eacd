"""Everything training refuses.

    TrainingError
    ├── DatasetError     a folder of images that cannot be trained on
    ├── ResumeError      an earlier run that cannot be continued
    ├── ExportError      the exported graph does not compute what Keras does: no version is made
    └── NotTracked       trained and published, but the tracking server does not have all of it (it is kept here)

Messages say what was found, what was wanted, and what to do. `exit_code` is what the command line ends with.
"""


class TrainingError(Exception):
    """Base of all errors of this package."""

    exit_code = 1


class DatasetError(TrainingError):
    """The images of a data set are unreadable, too few, or contradict each other; the message names them."""


class ResumeError(TrainingError):
    """The earlier run is gone, or is of other classes or another network."""


class ExportError(TrainingError):
    """The exported graph differs from Keras; the message has the difference."""


class NotTracked(TrainingError):
    """Something could not be logged; the message names the directory that keeps it."""
