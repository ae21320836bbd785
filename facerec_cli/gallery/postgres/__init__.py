"""A gallery on a PostgreSQL server with pgvector: the one place that imports psycopg."""
