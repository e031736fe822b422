"""Checks of other systems over their own protocols: pure asyncio, without Django and without models."""
