"""Read models as pure folds over recorded events. One question a module; no SQL."""
