"""Actions: rasa-sdk's contract, in process and on an action server."""
