"""The HTTP edge: native API, OpenAI API, Rasa REST channel and the chat widget."""
