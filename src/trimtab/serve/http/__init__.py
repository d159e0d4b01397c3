"""The HTTP server: its application, what it refuses, and how it starts and stops."""
