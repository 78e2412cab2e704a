"""What every domain stands on: principal, database, events, audit, ports, errors. It knows no domain."""
