"""The rows of a run in a browser: look at them while they are made, search, and judge them by keys."""
