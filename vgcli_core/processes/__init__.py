"""The processes of a command: how they are started, told to stop, and kept out of each other's folders."""
