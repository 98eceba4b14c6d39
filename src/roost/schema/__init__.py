"""Declared schemas: what a plugin says its tables are, held against a database, and the difference as classified changes."""
