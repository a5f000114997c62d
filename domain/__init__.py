"""What is true and what is allowed: values, events, state and rules. Pure: no clock, no I/O."""
