"""Telling other systems what happened: signed, again until it arrived, never into a private network."""
