"""The secrets of connections: encrypted, kept, rotated, and tied to the keys of their database."""
