"""The server: Granian's HTTP, bodies that are read beside the application, and a supervisor of the processes."""
