"""Everything the predictor refuses or cannot do, each with its HTTP status and its reason in the metrics.

    PredictorError
    ├── BadRequest      400  not the shape, type or values of a request
    │   └── InvalidImage     bytes that are no image, or not one the predictor takes
    ├── NotFound        404  another model or version, or a route that does not exist
    ├── WrongMethod     405
    ├── TooLarge        413  the body, or what its images declare, is over its limit
    ├── NotSupported    501  a part of KServe's protocol that a classifier has no use for
    └── NotReady        503  stopping
    ClientGone               closed the connection before its request was whole
    PortTaken                at start

Messages are one line, safe to show to a client: what was found and what was wanted, never a library's words.
Whatever else is raised while a request is answered is an internal error: the client learns that and the request's id.
"""

INTERNAL = "internal"
SERVER_REASONS = (INTERNAL, "deadline", "model_not_ready", "overloaded")
CLIENT_REASONS = ("bad_request", "bad_image", "not_found", "too_large")
REASONS = SERVER_REASONS + CLIENT_REASONS


class PredictorError(Exception):
    """Base of all errors of this package."""

    status = 500
    reason = INTERNAL


class BadRequest(PredictorError):
    """The request is not one the protocol knows; the message names the part, what was found and what is wanted."""

    status = 400
    reason = "bad_request"


class InvalidImage(BadRequest):
    """The bytes are not an image that can be decoded; the message names what was found and what is wanted."""

    reason = "bad_image"


class NotFound(PredictorError):
    """Nothing has that name here."""

    status = 404
    reason = "not_found"


class WrongMethod(PredictorError):
    """The route exists for another method."""

    status = 405
    reason = "bad_request"


class TooLarge(PredictorError):
    """The body, or what its images declare, is over its limit; it was not read further."""

    status = 413
    reason = "too_large"


class NotSupported(PredictorError):
    """KServe's protocol has it, this server does not."""

    status = 501
    reason = "bad_request"


class NotReady(PredictorError):
    """The server is stopping: ask another replica."""

    status = 503
    reason = "model_not_ready"


class ClientGone(Exception):
    """The client closed the connection before its request was whole: nobody is left to answer, nothing went wrong."""


class PortTaken(Exception):
    """A port cannot be opened; the message names it and the flag that chooses another."""
