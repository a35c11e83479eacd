"""The serving program: a KServe model server on LiteRT that loads only verified versions."""
