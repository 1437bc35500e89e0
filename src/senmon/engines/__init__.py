"""Engines: what makes tokens. `local` (torch), `openai` (a compatible server), `scripted` (a fake)."""
