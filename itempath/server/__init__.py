"""The server: Granian speaks HTTP, a gateway runs the application, a supervisor watches the processes."""
