"""The database's one linear history: NNNN_name.sql, applied in order by kernel/migrate.py, never changed afterwards."""
