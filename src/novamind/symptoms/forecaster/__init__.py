"""The model behind a forecast: how a history is read, the members, their ensemble and its calibration."""
