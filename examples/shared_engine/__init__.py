"""A server that speaks to its database by SQLAlchemy's ORM, with the engine as a service, and the tables as roost's to bring about."""
