"""The HTTP edge: native API, OpenAI API, Rasa REST channel and a minimal chat page."""
