"""The twin: a rehearsal stand-in for every live system, in a process of its own."""
