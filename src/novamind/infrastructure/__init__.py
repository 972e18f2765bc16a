"""What runs underneath: logging and the model store."""
