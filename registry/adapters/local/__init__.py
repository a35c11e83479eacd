"""The local substrate: the objects a cluster would get, as processes behind an Envoy on one machine."""
