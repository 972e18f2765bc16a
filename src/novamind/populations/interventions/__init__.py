"""What a campaign does: evidence, effects, experiments, outcome models and simulation."""
