"""Releases as objects of a Kubernetes namespace: KServe runs the revisions, our HTTPRoute carries the traffic."""
