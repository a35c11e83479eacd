"""How one image of a shape comes about: dice → outline → camera → surfaces → strokes → lens."""
