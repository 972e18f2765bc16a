"""Drugs: one knowledge of names, codes and facts, each fact with its source."""
