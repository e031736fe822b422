"""What Django leaves to do on both databases: writes in bulk, look-ups, sequences, outages, the backends."""
