"""The data sets we know: layout, terms, splits."""
