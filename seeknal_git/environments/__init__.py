"""An environment: its name, the snapshots it shows, and how long it is kept."""
