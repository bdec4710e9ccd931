"""Cameras and oriented boxes: the one place for each convention."""
