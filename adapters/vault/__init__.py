"""Personal data, each value under a key of the person that it belongs to."""
