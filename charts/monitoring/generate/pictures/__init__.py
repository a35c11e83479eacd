"""Pictures of the dashboards for the documentation: the committed panels' own expressions, asked of a Prometheus that
holds an invented afternoon, and drawn with matplotlib. Nobody needs this to use the chart."""
