"""Keys: what may forge, read or find, behind one port; a key never shows in a repr or an error."""
