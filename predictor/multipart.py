"""Files of an HTML form: a body of type multipart/form-data.

The body is here already, so it is split at its boundaries at once: a streaming parser looks at every near miss of one
in Python, and a body made of these keeps it busy for seconds. Any field may carry files, whatever its name; fields
without a file name are text and are passed over.
"""

import re

from python_multipart.multipart import parse_options_header

from predictor.errors import BadRequest

MULTIPART = b"multipart/form-data"

# Text fields beside the files.
_SPARE_PARTS = 16
_MAX_HEAD = 4096
_LONGEST_BOUNDARY = 70  # RFC 2046
_FILE = re.compile(rb"^content-disposition:[^\r\n]*;\s*filename\*?\s*=", re.IGNORECASE | re.MULTILINE)


def form_files(body: bytes, content_type: bytes, most: int) -> list[bytes]:
    """The files in a form, at most so many; raises BadRequest."""
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if not 1 <= len(boundary) <= _LONGEST_BOUNDARY:
        raise BadRequest(
            f"content-type: found a boundary of {len(boundary)} characters, wanted 1 to {_LONGEST_BOUNDARY}"
        )
    most_parts = most + _SPARE_PARTS
    _, *parts = (b"\r\n" + body).split(b"\r\n--" + boundary, most_parts + 1)
    if not parts or not parts[-1].startswith(b"--"):
        raise BadRequest(f"body: found no end of a form in {len(body)} bytes, wanted at most {most_parts} whole parts")
    files = [content for head, content in map(_split, parts[:-1]) if _FILE.search(head)]
    if not 1 <= len(files) <= most:
        raise BadRequest(f"body: found a form with {len(files)} files, wanted 1 to {most}")
    return files


def _split(part: bytes) -> tuple[bytes, bytes]:
    """Headers and content of a part; raises BadRequest."""
    head, found, content = part.partition(b"\r\n\r\n")
    if not found or not part.startswith(b"\r\n") or len(head) > _MAX_HEAD:
        raise BadRequest(
            f"body: found a part of the form with a head of {len(head)} bytes, wanted headers and an empty line "
            f"within {_MAX_HEAD}"
        )
    return head, content
