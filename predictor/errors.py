"""Everything the predictor refuses or cannot do, each with its HTTP status and its reason in the metrics.

    PredictorError
    ├── BadRequest      400  not the shape, type or values of a request
    │   └── InvalidImage     bytes that are no image, or not one the predictor takes
    ├── NotFound        404  another model or version, or a route that does not exist
    ├── WrongMethod     405
    ├── Timeout         408  the request did not arrive in time
    ├── TooLarge        413  the body, or what its images declare, is over its limit
    ├── UnsupportedEncoding  415  the body is packed
    ├── HeadersTooLarge 431
    ├── NotSupported    501  a part of KServe's protocol that a classifier has no use for
    ├── Overloaded      503  more is queued than can be answered in time
    ├── Full            503  other requests fill the memory
    ├── Deadline        503  too late: it waited longer than was foretold, or than its client wants
    └── Internal        500  a fault of ours
    PortTaken                at start

Messages are one line, safe to show to a client: what was found and what was wanted, never a library's words.
Whatever else is raised while a request is answered is an internal error: the client learns that and the request's id.
"""

import math

INTERNAL = "internal"
SERVER_REASONS = (INTERNAL, "deadline", "model_not_ready", "overloaded")
CLIENT_REASONS = ("bad_request", "bad_image", "not_found", "too_large")
REASONS = SERVER_REASONS + CLIENT_REASONS


class PredictorError(Exception):
    """Base of all errors of this package. retry_after: seconds after which to ask again, where that can help."""

    status = 500
    reason = INTERNAL
    retry_after: int | None = None


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
    """The route exists for another method. wanted: those it exists for, after commas."""

    status = 405
    reason = "bad_request"

    def __init__(self, found: str, wanted: str) -> None:
        super().__init__(f"found {found}, wanted {wanted}")
        self.wanted = wanted


class Timeout(PredictorError):
    """The request did not arrive in time."""

    status = 408
    reason = "bad_request"


class TooLarge(PredictorError):
    """The body, or what its images declare, is over its limit; it was not read further."""

    status = 413
    reason = "too_large"


class HeadersTooLarge(PredictorError):
    """The headers are over their limit; they were not read further."""

    status = 431
    reason = "too_large"


class UnsupportedEncoding(PredictorError):
    """The body is packed."""

    status = 415
    reason = "bad_request"


class NotSupported(PredictorError):
    """KServe's protocol has it, this server does not."""

    status = 501
    reason = "bad_request"


class Overloaded(PredictorError):
    """More is queued than can be answered in time: ask another replica, or later. wait, limit: seconds."""

    status = 503
    reason = "overloaded"

    def __init__(self, wait: float, limit: float) -> None:
        super().__init__(f"queue: found {wait:.3f} s of work before this request, wanted at most {limit:g}; ask again")
        self.retry_after = max(1, math.ceil(wait))


class Full(PredictorError):
    """Bodies of other requests fill the memory that there is for them. found, limit: bytes."""

    status = 503
    reason = "overloaded"
    retry_after = 1

    def __init__(self, found: int, limit: int) -> None:
        super().__init__(f"memory: found {found} bytes of requests, wanted at most {limit}; ask again")


class Deadline(PredictorError):
    """Too late: it waited longer than was foretold, or than its client wants."""

    status = 503
    reason = "deadline"
    retry_after = 1


class Internal(PredictorError):
    """A fault of ours, of which a client learns nothing but that."""

    def __init__(self) -> None:
        super().__init__(f"{INTERNAL} error")


class PortTaken(Exception):
    """A port cannot be opened; the message names it and the flag that chooses another."""
