"""`GET /api/connections`."""
