"""Write what others read: checkpoints as folders of their own. Streams from file to file; no model is loaded."""
