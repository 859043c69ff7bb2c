"""From unit files to models: found, read, and checked for what has an effect here."""
