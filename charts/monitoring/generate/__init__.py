"""The dashboards as code.

It lies in the chart because dashboards are what it makes, and nothing that is installed imports it: a fourth package
beside predictor, registry and training would say otherwise. Helm leaves it out of the chart's archive (.helmignore).
"""
