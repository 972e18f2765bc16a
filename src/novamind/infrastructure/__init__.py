"""What runs underneath: database, keys, vault, audit, the patients' store, events, cache, model store, logs."""
