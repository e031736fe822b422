"""The secrets of connections: encrypted, stored, rotated, and tied to the keys of their database."""
