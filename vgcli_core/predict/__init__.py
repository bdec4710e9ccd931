"""Ask a video: from a source and questions to answers, boxes and drawn frames."""
