"""How a population is made: joint distributions, the rules and the privacy they keep, filters, and many shards."""
