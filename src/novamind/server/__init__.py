"""The composition root: REST, WebSocket and everything they need, built here and imported by nobody but the shell."""
