"""Files of the registry: versions, journal, keys and policy. A reader sees all of a thing or nothing of it."""
