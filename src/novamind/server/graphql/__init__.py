"""The patient twin as a GraphQL subgraph: the clinic's use cases under another grammar, and nothing else."""
