"""Where models and populations are kept: database, arrays, Parquet shards, and a copy of a training run in MLflow."""
