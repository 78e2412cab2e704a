"""One owner per serial line or connection; planner, schedule and health decide without clock or socket."""
