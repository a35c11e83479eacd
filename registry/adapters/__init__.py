"""Where the registry meets the world: processes, Envoy, MLflow, scrapes. Adapters do not know each other."""
